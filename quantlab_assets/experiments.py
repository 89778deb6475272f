"""Assets of the group ``experiments``: the frozen definition, and the results that depend on nothing else."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pyarrow as pa

from quantlab_assets.artifact_asset import Drafts, Step, Upstream, artifact_asset
from quantlab_assets.experiment_previews import curves_preview, metrics_preview, parameter_sets_preview, report_links
from quantlab_assets.partitions import EXPERIMENTS
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.errors import ExperimentNotFoundError, InvalidInputError
from quantlab_core.experiments.artifact_types import (
    EXPERIMENT_CURVES,
    EXPERIMENT_DEFINITION,
    EXPERIMENT_METRICS,
    EXPERIMENT_OUTCOME,
    EXPERIMENT_PARAMETER_SETS,
)
from quantlab_core.experiments.definition_table import definition_of, definition_table
from quantlab_core.experiments.experiment import (
    Experiment,
    ExperimentDefinition,
    ExperimentStatus,
    ExperimentTransition,
)
from quantlab_core.experiments.experiment_identity import decode_definition
from quantlab_core.experiments.experiment_outputs import OUTPUTS, completion, experiment_outputs
from quantlab_core.simulation.engine_version import ENGINE_VERSION
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.experiments.input_checks import require_whole_inputs
from quantlab_resources.experiments.running_attempt import running_attempt
from quantlab_resources.lab import Lab

GROUP = "experiments"
RESULT_ASSETS = tuple(str(spec.asset) for spec in (*OUTPUTS.values(), EXPERIMENT_OUTCOME))


@artifact_asset(
    name="experiment_definitions",
    specs=[EXPERIMENT_DEFINITION],
    group=GROUP,
    code_version="1",
    deps=["alert_set", "candle_set", "caller_aliases", "strategies"],
    partitions_def=EXPERIMENTS,
    config_schema={
        "definition": dg.Field(str, is_required=False, description="the definition as JSON; empty: the one on record")
    },
)
def experiment_definitions(step: Step) -> Drafts | list[ArtifactDraft]:
    """Freezes what the experiment is made of: sets, caller aliases, strategy, range, parameters, engine."""
    recorded = _recorded(step.lab, step.key)
    definition = _definition(step, recorded)
    for pinned_id in definition.pinned_ids:
        step.note_read(pinned_id)
    draft = ArtifactDraft(
        EXPERIMENT_DEFINITION,
        {"experiment": step.key},
        definition_table(definition, step.lab.experiments.definition_hash(definition)),
        inputs=definition.pinned_ids,
    )
    if recorded is not None:
        return [draft]
    return Drafts([draft], ExperimentTransition(step.key, ExperimentStatus.PENDING))


def _definition(step: Step, recorded: Experiment | None) -> ExperimentDefinition:
    """The definition on record where there is one: what an experiment is made of never changes.

    Raises ConflictError when the run brings another definition under this id, InvalidInputError when it brings none.
    """
    text = step.config.get("definition")
    given = decode_definition(text) if text else None
    if given is not None and given.experiment_id != step.key:
        raise InvalidInputError(f"the definition is of experiment {given.experiment_id}, the partition is {step.key}")
    if recorded is not None:
        if given is not None:
            step.lab.experiments.find_equal(given)
        return recorded.definition
    if given is None:
        raise InvalidInputError(f"experiment {step.key} has no definition yet; `quantlab experiments create` makes one")
    return given


@artifact_asset(
    name="experiment_results",
    specs=[*OUTPUTS.values(), EXPERIMENT_OUTCOME],
    group=GROUP,
    code_version=ENGINE_VERSION,
    inputs={"definition": Upstream("experiment_definitions")},
    partitions_def=EXPERIMENTS,
)
def experiment_results(step: Step) -> Drafts | list[ArtifactDraft]:
    """Simulated from the frozen definition alone; results and outcome are published together or not at all.

    A completed experiment is never computed again: its results are on record, and stay.
    """
    # The simulation is imported by the step that uses it: definitions load without it.
    from quantlab_core.experiments.execute_experiment import require_engine, simulated_tables

    experiments = step.lab.experiments
    experiment_id = step.key
    step.resources.push(_report_afterwards(step))
    found = step["definition"].with_key(experiment=experiment_id)
    if not found:
        raise ExperimentNotFoundError(f"experiment {experiment_id} not found; `quantlab experiments create` makes one")
    definition = definition_of(step["definition"].read(found[0]))
    inputs = [found[0].artifact_id]
    if experiments.get(experiment_id).status is ExperimentStatus.COMPLETED:
        return _recorded_results(step, inputs)
    require_engine(definition)
    step.resources.enter_context(running_attempt(experiments, experiment_id, home=step.lab.paths.home))
    require_whole_inputs(step.lab.artifacts, definition)
    tables = simulated_tables(definition, step.lab.artifacts, step.lab.candle_packs, step.lab.record_indexes)
    outputs = experiment_outputs(experiment_id, tables)
    drafts = [_result_draft(step.lab, experiment_id, output.spec, output.table, inputs) for output in outputs.values()]
    return Drafts(drafts, completion(experiment_id, outputs))


_PREVIEWS = {
    EXPERIMENT_METRICS.name: metrics_preview,
    EXPERIMENT_CURVES.name: curves_preview,
    EXPERIMENT_PARAMETER_SETS.name: parameter_sets_preview,
}


def _result_draft(
    lab: Lab, experiment_id: str, spec: ArtifactType, table: pa.Table, inputs: list[str]
) -> ArtifactDraft:
    preview = _PREVIEWS.get(spec.name)
    return ArtifactDraft(
        spec,
        {"experiment": experiment_id},
        table,
        inputs,
        tags={"experiment_id": experiment_id},
        preview=report_links(lab, experiment_id) | (preview(table) if preview else {}),
    )


def _recorded_results(step: Step, inputs: list[str]) -> list[ArtifactDraft]:
    drafts = []
    for spec in (*OUTPUTS.values(), EXPERIMENT_OUTCOME):
        logical_key = format_key(spec, {"experiment": step.key})
        for head in step.lab.artifacts.heads(spec.name, logical_key):
            if head.logical_key == logical_key:
                table = step.lab.artifacts.read(head.artifact_id)
                drafts.append(_result_draft(step.lab, step.key, spec, table, inputs))
    return drafts


def _report_afterwards(step: Step) -> Callable[..., None]:
    """What a step does when its results are published: write the page. A page that fails takes no result with it."""
    experiment_id = step.key

    def write(error_type: type[BaseException] | None, *_: object) -> None:
        if error_type is not None:
            return
        # Templates and drawing take a second to import, and definitions must load without them.
        from quantlab_assets.workflows.report_experiment import report_experiment

        try:
            report_experiment(step.lab, step.lab.experiments.get(experiment_id))
        except Exception as error:
            step.context.log.warning(f"the results are published, the report could not be written: {error}")

    return write


def _recorded(lab: Lab, experiment_id: str) -> Experiment | None:
    try:
        return lab.experiments.get(experiment_id)
    except ExperimentNotFoundError:
        return None


EXPERIMENT_ASSETS = (experiment_definitions, experiment_results)
