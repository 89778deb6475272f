"""Two experiments on record, read and held against each other."""

from __future__ import annotations

from collections.abc import Sequence

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.errors import QuantlabError
from quantlab_core.experiments.experiment import Experiment
from quantlab_core.experiments.verification.experiment_diff import (
    ExperimentDiff,
    ExperimentInputsInFull,
    experiment_diff,
)
from quantlab_resources.lab import Lab


def compared_experiments(lab: Lab, a: str, b: str) -> ExperimentDiff:
    """How experiment ``b`` differs from ``a``; results are compared where both have them.

    Raises ExperimentNotFoundError, and IntegrityError for results whose bytes are damaged or gone.
    """
    one, other = (_in_full(lab, lab.experiments.get(experiment_id)) for experiment_id in (a, b))
    outputs = one.experiment.outputs, other.experiment.outputs
    if outputs[0] is None or outputs[1] is None:
        return experiment_diff(one, other)
    metrics = [lab.artifacts.read(str(found.metrics_artifact_id)) for found in outputs if found is not None]
    trades = [lab.artifacts.read(str(found.trades_artifact_id)) for found in outputs if found is not None]
    return experiment_diff(one, other, metrics=(metrics[0], metrics[1]), trades=(trades[0], trades[1]))


def _in_full(lab: Lab, experiment: Experiment) -> ExperimentInputsInFull:
    definition = experiment.definition
    return ExperimentInputsInFull(
        experiment, _members(lab, definition.alert_set_id), _members(lab, definition.candle_set_id)
    )


def _members(lab: Lab, set_id: str) -> Sequence[Artifact] | None:
    """None where the set cannot be read: the rest can be compared all the same."""
    try:
        return set_members(lab.artifacts, lab.artifacts.get_artifact(set_id))
    except QuantlabError:
        return None
