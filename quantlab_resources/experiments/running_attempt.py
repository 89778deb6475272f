"""One attempt at an experiment: the lock is held, ``running`` is journaled, and no end goes unrecorded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantlab_core.errors import ConflictError
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.experiments.experiment_tracker import ExperimentTracker
from quantlab_resources.experiments.experiment_lock import attempt_lock, is_run_outside, mark_interrupted

NO_RESULTS = "the attempt ended before its results were published"


@contextmanager
def running_attempt(tracker: ExperimentTracker, experiment_id: str, *, home: Path) -> Iterator[None]:
    """Run the block as a new attempt; within it the results are published together with ``completed``.

    An attempt that was interrupted before is journaled first. When the block ends and the experiment is still running,
    it failed: with the block's error, or because nothing was published. Raises ConflictError (another process runs it),
    IllegalTransitionError (it is completed), ExperimentNotFoundError.
    """
    tracker.get(experiment_id)
    with attempt_lock(home, experiment_id):
        if is_run_outside(tracker, experiment_id, home=home):
            raise ConflictError(
                f"experiment {experiment_id} is being run by another program, which said so; wait for it, or end its "
                f"attempt with `quantlab experiments cancel {experiment_id}`"
            )
        mark_interrupted(tracker, experiment_id)
        tracker.update_status(experiment_id, ExperimentStatus.RUNNING)
        try:
            yield
        except GeneratorExit:
            _fail_if_running(tracker, experiment_id, NO_RESULTS)
            raise
        except BaseException as error:
            _fail_if_running(tracker, experiment_id, _in_one_line(error))
            raise
        _fail_if_running(tracker, experiment_id, NO_RESULTS)


def _fail_if_running(tracker: ExperimentTracker, experiment_id: str, error: str) -> None:
    if tracker.get(experiment_id).status is ExperimentStatus.RUNNING:
        tracker.update_status(experiment_id, ExperimentStatus.FAILED, error=error)


def _in_one_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
