from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quantlab_core.errors import (
    ConflictError,
    ExperimentNotFoundError,
    IllegalTransitionError,
    InvalidInputError,
    StorageError,
)
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.advisory_lock import locked_unless_held
from quantlab_resources.experiments.experiment_lock import (
    INTERRUPTED,
    attempt_lock,
    heal_interrupted,
    lock_path,
)
from quantlab_resources.experiments.running_attempt import NO_RESULTS, running_attempt
from quantlab_tests.resources.experiments.experiment_lake import ExperimentLake

RUN_AND_WAIT = """
import sys
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.clock import SystemClock
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_resources.experiments.running_attempt import running_attempt
from quantlab_resources.lake_paths import LakePaths

paths = LakePaths.from_environment(sys.argv[1], {})
tracker = ArtifactExperimentTracker(ParquetArtifactStore(paths, clock=SystemClock()))
with running_attempt(tracker, "first", home=paths.home):
    print("running", flush=True)
    sys.stdin.readline()
"""


def is_held(home: Path, experiment_id: str) -> bool:
    with locked_unless_held(lock_path(home, experiment_id)) as is_mine:
        return not is_mine


@pytest.fixture
def home(lake: ExperimentLake) -> Path:
    lake.tracker.create(lake.definition())
    return lake.store.paths.home


def test_the_lock_is_named_after_the_experiment_and_held_for_the_block(home: Path) -> None:
    with attempt_lock(home, "first"):
        assert (home / "locks" / "experiment-first.lock").exists()
        assert is_held(home, "first")
        assert not is_held(home, "other")
    assert not is_held(home, "first")


def test_an_experiment_runs_once_at_a_time(home: Path) -> None:
    with (
        attempt_lock(home, "first"),
        pytest.raises(ConflictError, match="first is being run by another process"),
        attempt_lock(home, "first"),
    ):
        pytest.fail("two attempts held the lock")


@pytest.mark.parametrize("experiment_id", ["../x", "a/b", "", ".."])
def test_a_lock_never_leaves_its_folder(home: Path, experiment_id: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be an experiment id"):
        lock_path(home, experiment_id)


def test_a_killed_attempt_is_healed_and_runs_again(lake: ExperimentLake, home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_WAIT, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "running\n"
        assert lake.tracker.get("first").status is ExperimentStatus.RUNNING
        assert not heal_interrupted(lake.tracker, "first", home=home), "its process lives"
        os.kill(runner.pid, signal.SIGKILL)
    assert lake.tracker.get("first").status is ExperimentStatus.RUNNING
    assert heal_interrupted(lake.tracker, "first", home=home)
    healed = lake.tracker.get("first")
    assert healed.status is ExperimentStatus.FAILED
    assert healed.execution is not None
    assert healed.execution.error == INTERRUPTED
    assert not heal_interrupted(lake.tracker, "first", home=home), "once is enough"
    lake.tracker.update_status("first", ExperimentStatus.RUNNING)
    assert lake.tracker.get("first").status is ExperimentStatus.RUNNING


def test_a_new_attempt_heals_the_interrupted_one_by_itself(lake: ExperimentLake, home: Path) -> None:
    lake.tracker.update_status("first", ExperimentStatus.RUNNING)  # and nobody holds the lock
    with running_attempt(lake.tracker, "first", home=home):
        pass
    errors = [entry.error for entry in lake.store.journal.entries("first")]
    assert errors == [None, None, INTERRUPTED, None, NO_RESULTS]


def test_an_attempt_that_publishes_its_results_is_completed(lake: ExperimentLake, home: Path) -> None:
    done = ExperimentTransition(
        "first", ExperimentStatus.COMPLETED, output_keys={"metrics": "experiment=first/metrics"}
    )
    with running_attempt(lake.tracker, "first", home=home):
        assert lake.tracker.get("first").status is ExperimentStatus.RUNNING
        lake.store.publish_many([lake.metrics("first", 0.5)], transition=done)
    assert lake.tracker.get("first").status is ExperimentStatus.COMPLETED
    with (
        pytest.raises(IllegalTransitionError, match="it is final"),
        running_attempt(lake.tracker, "first", home=home),
    ):
        pytest.fail("a completed experiment ran again")


def test_an_error_of_an_attempt_is_journaled_in_one_line_and_raised(lake: ExperimentLake, home: Path) -> None:
    with (
        pytest.raises(StorageError, match="disk full"),
        running_attempt(lake.tracker, "first", home=home),
    ):
        raise StorageError("disk full\nand more")
    failed = lake.tracker.get("first")
    assert failed.status is ExperimentStatus.FAILED
    assert failed.execution is not None
    assert failed.execution.error == "StorageError: disk full"
    assert not is_held(home, "first")


def test_an_attempt_that_was_cancelled_meanwhile_stays_cancelled(lake: ExperimentLake, home: Path) -> None:
    with running_attempt(lake.tracker, "first", home=home):
        lake.tracker.update_status("first", ExperimentStatus.CANCELLED)
    assert lake.tracker.get("first").status is ExperimentStatus.CANCELLED


def test_an_unknown_experiment_leaves_no_lock_file(lake: ExperimentLake, home: Path) -> None:
    with (
        pytest.raises(ExperimentNotFoundError, match="not found"),
        running_attempt(lake.tracker, "nobody", home=home),
    ):
        pytest.fail("an experiment that does not exist ran")
    assert not lock_path(home, "nobody").exists()
