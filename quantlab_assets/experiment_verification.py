"""Assets of the group ``experiments`` that check what is on record: reproductions and look-ahead audits."""

from typing import Any

import dagster as dg

from quantlab_assets.artifact_asset import Step, artifact_asset
from quantlab_assets.experiments import GROUP
from quantlab_assets.partitions import EXPERIMENTS, PARTITION_TAG
from quantlab_core.errors import QuantlabError
from quantlab_core.experiments.artifact_types import EXPERIMENT_TRADES
from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus
from quantlab_core.experiments.experiment_outputs import OUTPUTS
from quantlab_core.experiments.verification.artifact_types import EXPERIMENT_REPRODUCTION, LOOKAHEAD_AUDIT
from quantlab_core.experiments.verification.reproduction import DEFAULT_TOLERANCE, Reproduction, reproduction_table
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.lab import Lab

QUICK_CALLS = 20
"""So many calls of the compiled engine the asset check looks at: a tenth of a second."""


@artifact_asset(
    name="reproductions",
    specs=[EXPERIMENT_REPRODUCTION],
    group=GROUP,
    code_version="1",
    deps=["experiment_definitions", *(str(spec.asset) for spec in OUTPUTS.values())],
    partitions_def=EXPERIMENTS,
    config_schema={
        "tolerance": dg.Field(
            float, default_value=DEFAULT_TOLERANCE, description="relative difference of floats that counts as equal"
        )
    },
)
def reproductions(step: Step) -> list[ArtifactDraft]:
    """Runs the experiment again from its frozen definition, compares every output, and leaves the record as it is."""
    from quantlab_resources.experiments.experiment_rerun import recorded_outputs, reproduced

    experiment = step.lab.experiments.get(step.key)
    recorded = recorded_outputs(step.lab, experiment)
    inputs = [experiment.definition_artifact_id, *(artifact.artifact_id for artifact in recorded.values())]
    for artifact_id in inputs:
        step.note_read(artifact_id)
    found = reproduced(step.lab, experiment, tolerance=step.config["tolerance"])
    return [
        ArtifactDraft(
            EXPERIMENT_REPRODUCTION,
            {"experiment": step.key},
            reproduction_table(found),
            inputs,
            tags={"experiment_id": step.key},
            preview=_reproduction_preview(found),
        )
    ]


def _reproduction_preview(found: Reproduction) -> dict[str, Any]:
    return {
        "reproduced": dg.MetadataValue.bool(found.is_reproduced),
        **{output.name: dg.MetadataValue.text(str(output.verdict)) for output in found.outputs},
    }


@artifact_asset(
    name="lookahead_audits",
    specs=[LOOKAHEAD_AUDIT],
    group=GROUP,
    code_version="1",
    deps=["experiment_definitions", str(EXPERIMENT_TRADES.asset)],
    partitions_def=EXPERIMENTS,
    config_schema={
        "calls": dg.Field(int, default_value=100, description="calls that are looked at; -1: all"),
        "instants": dg.Field(int, default_value=8, description="instants that are drawn for each of them"),
        "seed": dg.Field(int, default_value=0, description="seed of what is drawn"),
    },
)
def lookahead_audits(step: Step) -> list[ArtifactDraft]:
    """Cuts and changes the future of recorded trades, in three engines, and counts what would have changed."""
    # The engines are imported when they are used: definitions load without numba.
    from quantlab_core.experiments.verification.experiment_audit import AuditExtent, audit_table
    from quantlab_resources.experiments.experiment_rerun import recorded_outputs
    from quantlab_resources.experiments.recorded_audit import audited_experiment

    experiment = step.lab.experiments.get(step.key)
    recorded = recorded_outputs(step.lab, experiment)
    inputs = [experiment.definition_artifact_id, recorded["trades"].artifact_id]
    for artifact_id in inputs:
        step.note_read(artifact_id)
    calls = step.config["calls"]
    extent = AuditExtent(None if calls < 0 else calls, step.config["instants"], step.config["seed"])
    audit = audited_experiment(step.lab, experiment, extent)
    return [
        ArtifactDraft(
            LOOKAHEAD_AUDIT,
            {"experiment": step.key},
            audit_table(audit),
            inputs,
            tags={"experiment_id": step.key},
            preview={"calls": dg.MetadataValue.int(audit.n_calls), "failures": dg.MetadataValue.int(audit.n_failed)},
        )
    ]


@dg.asset_check(
    asset=str(EXPERIMENT_TRADES.asset),
    name="does_not_look_ahead",
    required_resource_keys={"lab"},
)
def does_not_look_ahead(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Whether a quick sample of the run's trades stays the same when the future of its candles is cut or changed.

    `quantlab experiments audit` looks at more, in three engines, and records what it found.
    """
    from quantlab_core.experiments.verification.experiment_audit import AuditExtent
    from quantlab_resources.experiments.recorded_audit import audited_experiment

    lab = context.resources.lab.get()
    quick = AuditExtent(calls=QUICK_CALLS, instants=2, engines=("compiled",), has_selection=False)
    calls, failed, told = 0, 0, []
    for experiment_id in _experiments_of(context.run, lab):
        try:
            audit = audited_experiment(lab, lab.experiments.get(experiment_id), quick)
        except QuantlabError as error:
            told.append(f"{experiment_id} was not audited: {error}")
            continue
        calls, failed = calls + audit.n_calls, failed + audit.n_failed
        told += [f"{one.check} of alert {one.alert_id}: {one.message}" for one in audit.failures[:1]]
    return dg.AssetCheckResult(
        passed=not told,
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description="; ".join(told) or f"the fills of {calls} calls stay when their future is cut or changed",
        metadata={"calls": calls, "failures": failed},
    )


def _experiments_of(run: dg.DagsterRun, lab: Lab) -> list[str]:
    """The experiment whose partition the run is of; in a run of none, or of many, the one that completed last."""
    partition = run.tags.get(PARTITION_TAG)
    if partition is not None:
        return [partition]
    latest = lab.experiments.list(ExperimentFilter(status=ExperimentStatus.COMPLETED, limit=1))
    return [experiment.definition.experiment_id for experiment in latest]


VERIFICATION_ASSETS = (reproductions, lookahead_audits)
VERIFICATION_CHECKS = (does_not_look_ahead,)
