"""Who is running an experiment: an advisory lock that lives exactly as long as the process that runs it.

``running`` in the journal without a held lock means that the process died: the attempt was interrupted. Other programs
report what they run and hold no lock; a file beside it names their attempt, which ends when they, or a person, say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantlab_core.artifacts.logical_key import is_key_value
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.experiments.experiment_tracker import ExperimentTracker
from quantlab_resources.advisory_lock import locked_unless_held
from quantlab_resources.artifacts.files.durable_files import storage_errors

INTERRUPTED = "interrupted: the process that ran it ended without a result"

_WAIT_S = 1.0
"""A look at the lock holds it for an instant; a new attempt must not fail because somebody looked."""


def lock_path(home: Path, experiment_id: str) -> Path:
    """The lock file of an experiment. Raises InvalidInputError for an id that cannot be one."""
    if not is_key_value(experiment_id):
        raise InvalidInputError(f"{experiment_id[:60]!r} cannot be an experiment id")
    return home / "locks" / f"experiment-{experiment_id}.lock"


@contextmanager
def attempt_lock(home: Path, experiment_id: str) -> Iterator[None]:
    """Hold the experiment's lock within the block. Raises ConflictError when another process runs the experiment."""
    with locked_unless_held(lock_path(home, experiment_id), wait_s=_WAIT_S) as is_mine:
        if not is_mine:
            raise ConflictError(f"experiment {experiment_id} is being run by another process; wait for it")
        yield


def begin_outside_attempt(tracker: ExperimentTracker, experiment_id: str, *, home: Path) -> None:
    """Journal ``running`` for another program, which runs the experiment on its own and reports how it ended.

    Raises ExperimentNotFoundError, IllegalTransitionError, ConflictError (a process of ours runs it), StorageError.
    """
    tracker.get(experiment_id)
    with attempt_lock(home, experiment_id):
        if not is_run_outside(tracker, experiment_id, home=home):
            mark_interrupted(tracker, experiment_id)
        tracker.update_status(experiment_id, ExperimentStatus.RUNNING)
        path = _outside_path(home, experiment_id)
        with storage_errors(path):
            path.write_text(str(_attempt(tracker, experiment_id)), encoding="ascii")


def is_run_outside(tracker: ExperimentTracker, experiment_id: str, *, home: Path) -> bool:
    """Whether the attempt under way is that of another program."""
    if tracker.get(experiment_id).status is not ExperimentStatus.RUNNING:
        return False
    try:
        noted = _outside_path(home, experiment_id).read_text(encoding="ascii")
    except OSError:
        return False
    return noted == str(_attempt(tracker, experiment_id))


def heal_interrupted(tracker: ExperimentTracker, experiment_id: str, *, home: Path) -> bool:
    """Journal ``failed`` for an experiment that is ``running`` although nobody runs it, so that it can run again.

    Returns whether it was so. Raises ExperimentNotFoundError, and StorageError where the lake cannot be written.
    """
    if tracker.get(experiment_id).status is not ExperimentStatus.RUNNING:
        return False
    if is_run_outside(tracker, experiment_id, home=home):
        return False
    with locked_unless_held(lock_path(home, experiment_id)) as is_mine:
        return is_mine and mark_interrupted(tracker, experiment_id)


def mark_interrupted(tracker: ExperimentTracker, experiment_id: str) -> bool:
    """As `heal_interrupted`, for whoever holds the lock."""
    if tracker.get(experiment_id).status is not ExperimentStatus.RUNNING:
        return False
    tracker.update_status(experiment_id, ExperimentStatus.FAILED, error=INTERRUPTED)
    return True


def _outside_path(home: Path, experiment_id: str) -> Path:
    return lock_path(home, experiment_id).with_suffix(".outside")


def _attempt(tracker: ExperimentTracker, experiment_id: str) -> int:
    execution = tracker.get(experiment_id).execution
    return 0 if execution is None else execution.attempt
