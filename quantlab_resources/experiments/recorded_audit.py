"""The look-ahead audit of an experiment on record: its frozen inputs and its trades, read and handed over."""

from __future__ import annotations

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.experiments.execute_experiment import require_engine
from quantlab_core.experiments.experiment import Experiment
from quantlab_core.experiments.experiment_inputs import alerts_of, aliases_in, frozen_inputs
from quantlab_core.experiments.verification.experiment_audit import AuditExtent, ExperimentAudit, audit_experiment
from quantlab_resources.experiments.experiment_rerun import recorded_outputs
from quantlab_resources.lab import Lab


def audited_experiment(lab: Lab, experiment: Experiment, extent: AuditExtent) -> ExperimentAudit:
    """Audit the trades on record of ``experiment``.

    Raises ConflictError (no results, or made for another engine), IntegrityError, InvalidInputError (inputs that are
    damaged, missing or withdrawn; a sweep).
    """
    definition = experiment.definition
    recorded = recorded_outputs(lab, experiment)
    require_engine(definition)
    inputs = frozen_inputs(lab.artifacts, definition)
    return audit_experiment(
        config=definition.config,
        alerts=alerts_of(lambda member: read_newest(lab.artifacts, member), inputs.alert_members),
        candles=lab.candle_packs.of_set(inputs.candle_set, inputs.candle_members),
        trades=lab.artifacts.read(recorded["trades"].artifact_id),
        aliases=aliases_in(lab.artifacts, inputs.caller_aliases),
        extent=extent,
    )
