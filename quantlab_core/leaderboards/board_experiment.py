"""Which experiment the leaderboard of callers is made from when nobody names one."""

from __future__ import annotations

from collections.abc import Iterable

from quantlab_core.errors import NotFoundError
from quantlab_core.experiments.experiment import Experiment, ExperimentStatus

_EXITS = ("stop_loss", "take_profit", "stop_steps", "trailing_stop")


def board_experiment(experiments: Iterable[Experiment]) -> Experiment:
    """The newest completed one that only holds: no stop, no target, no sweep; without such a one, the newest completed.

    Stops and targets say what a strategy made of a call, holding says what the call did; a sweep's chosen set flatters
    the callers that it was chosen on. Raises NotFoundError when none is completed.
    """
    completed = [one for one in experiments if one.status is ExperimentStatus.COMPLETED]
    if not completed:
        raise NotFoundError("experiment not found: none is completed yet; `quantlab experiments execute ID` runs one")
    return max(completed, key=lambda one: (_only_holds(one), one.definition.provenance.created_at, _id(one)))


def _only_holds(experiment: Experiment) -> bool:
    config = experiment.definition.config
    return not config.is_sweep and not any(config.strategy.get(key) for key in _EXITS)


def _id(experiment: Experiment) -> str:
    return experiment.definition.experiment_id
