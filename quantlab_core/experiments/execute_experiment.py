"""The execution of an experiment, from its frozen definition to published results: orchestration of ports alone.

Nothing here opens a file or knows where one is. The asset ``experiment_results`` makes its drafts of the same
`experiment_outputs`, and leaves the publishing to the IO manager.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from quantlab_core.alerts.stored_aliases import aliases_in
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.errors import ConflictError
from quantlab_core.experiments.experiment import (
    Experiment,
    ExperimentDefinition,
    ExperimentStatus,
)
from quantlab_core.experiments.experiment_inputs import frozen_inputs
from quantlab_core.experiments.experiment_outputs import completion, experiment_outputs
from quantlab_core.experiments.experiment_tables import ExperimentTables, run_experiment
from quantlab_core.experiments.experiment_tracker import ExperimentTracker
from quantlab_core.experiments.run_sweep import run_sweep
from quantlab_core.projections.candle_packs import CandlePacks
from quantlab_core.projections.record_indexes import RecordIndexes
from quantlab_core.simulation.engine_version import ENGINE_VERSION


@dataclass(frozen=True, slots=True)
class ExperimentPorts:
    """What an execution depends on. ``writer`` is who publishes, for the record.

    ``record_indexes`` make sweeps faster; without them, candles are read. Results are the same.
    """

    artifacts: ArtifactStore
    candle_packs: CandlePacks
    experiments: ExperimentTracker
    writer: Writer
    record_indexes: RecordIndexes | None = None


def execute_experiment(experiment_id: str, ports: ExperimentPorts) -> Experiment:
    """Run the experiment as the attempt that is under way, and publish results and outcome together.

    The caller has journaled ``running`` and journals ``failed`` when this raises (`running_attempt` does both). Raises
    ConflictError (made for another engine, or not running), ArtifactNotFoundError, IntegrityError (damaged or missing
    inputs), InvalidInputError (withdrawn or unusable inputs), StrategyError, StorageError.
    """
    experiment = ports.experiments.get(experiment_id)
    if experiment.status is not ExperimentStatus.RUNNING:
        raise ConflictError(
            f"experiment {experiment_id} is {experiment.status} and not under way; nothing was simulated"
        )
    tables = simulated_tables(experiment.definition, ports.artifacts, ports.candle_packs, ports.record_indexes)
    outputs = experiment_outputs(experiment_id, tables)
    requests = [
        PublishRequest(
            artifact_type=output.spec.name,
            schema_version=output.spec.version,
            logical_key=output.logical_key,
            data=output.table,
            writer=ports.writer,
            tags={"experiment_id": experiment_id},
            input_artifact_ids=(experiment.definition_artifact_id,),
        )
        for output in outputs.values()
    ]
    ports.artifacts.publish_many(requests, transition=completion(experiment_id, outputs))
    return ports.experiments.get(experiment_id)


def simulated_tables(
    definition: ExperimentDefinition,
    artifacts: ArtifactStore,
    candle_packs: CandlePacks,
    record_indexes: RecordIndexes | None = None,
) -> ExperimentTables:
    """The result tables of ``definition``, after its inputs were checked. Raises as `execute_experiment`."""
    require_engine(definition)
    inputs = frozen_inputs(artifacts, definition)
    run = run_experiment
    if definition.config.is_sweep:
        run = run_sweep
        if record_indexes is not None:
            index_of = partial(record_indexes.of_calls, inputs.candle_set.content_hash)
            run = partial(run_sweep, index_of=index_of)
    return run(
        experiment_id=definition.experiment_id,
        config=definition.config,
        alerts=alerts_of(lambda member: read_newest(artifacts, member), inputs.alert_members),
        candles=candle_packs.of_set(inputs.candle_set, inputs.candle_members),
        aliases=aliases_in(artifacts, inputs.caller_aliases),
    )


def require_engine(definition: ExperimentDefinition) -> None:
    """Raise ConflictError for an experiment that was made for another engine: it would have other results."""
    made_for = definition.provenance.engine_version
    if made_for != ENGINE_VERSION:
        raise ConflictError(
            f"experiment {definition.experiment_id} was created for engine {made_for}, this is engine "
            f"{ENGINE_VERSION}; create it again, which gives it an id of its own"
        )
