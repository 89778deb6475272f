"""The look-ahead audit of an experiment on record: its frozen inputs and its trades, read and handed over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from quantlab_core.alerts.stored_aliases import aliases_in
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.experiments.chosen_set import chosen_set
from quantlab_core.experiments.execute_experiment import require_engine
from quantlab_core.experiments.experiment import Experiment, ExperimentConfig, ExperimentDefinition
from quantlab_core.experiments.experiment_inputs import frozen_inputs
from quantlab_core.experiments.result_rows import BASE_PARAM_ID
from quantlab_core.experiments.verification.experiment_audit import AuditExtent, ExperimentAudit, audit_experiment
from quantlab_resources.experiments.experiment_rerun import recorded_outputs
from quantlab_resources.lab import Lab


def audited_experiment(lab: Lab, experiment: Experiment, extent: AuditExtent) -> ExperimentAudit:
    """Audit the trades on record of ``experiment``; of a sweep, those of the chosen parameter set.

    Raises ConflictError (no results, or made for another engine), IntegrityError, InvalidInputError (inputs that are
    damaged, missing or withdrawn).
    """
    definition = experiment.definition
    recorded = recorded_outputs(lab, experiment)
    require_engine(definition)
    inputs = frozen_inputs(lab.artifacts, definition)
    config, param_id = _audited_set(lab, definition, recorded)
    return audit_experiment(
        config=config,
        alerts=alerts_of(lambda member: read_newest(lab.artifacts, member), inputs.alert_members),
        candles=lab.candle_packs.of_set(inputs.candle_set, inputs.candle_members),
        trades=lab.artifacts.read(recorded["trades"].artifact_id),
        aliases=aliases_in(lab.artifacts, inputs.caller_aliases),
        param_id=param_id,
        extent=extent,
    )


def _audited_set(
    lab: Lab, definition: ExperimentDefinition, recorded: Mapping[str, Artifact]
) -> tuple[ExperimentConfig, str]:
    """The configuration of the parameter set whose trades are audited, as of an experiment of its own, and its id."""
    if "parameter_sets" not in recorded:
        return definition.config, BASE_PARAM_ID
    chosen = chosen_set(lab.artifacts.read(recorded["parameter_sets"].artifact_id))
    others = {name: block for name, block in definition.config.params.items() if name != "sweep"}
    config = replace(definition.config, strategy=json.loads(chosen["strategy"]), params=others)
    return config, str(chosen["param_id"])
