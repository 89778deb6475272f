"""The experiment tracker: definitions are artifacts, states are the journal of the manifest. Nothing else is truth."""

from __future__ import annotations

from collections.abc import Sequence

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.errors import ConflictError, ExperimentNotFoundError, IllegalTransitionError
from quantlab_core.experiments import experiment_identity
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.definition_table import definition_table
from quantlab_core.experiments.experiment import (
    Experiment,
    ExperimentDefinition,
    ExperimentFilter,
    ExperimentResults,
    ExperimentStatus,
    ExperimentTransition,
    MatchMode,
)
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.experiments.experiment_definitions import ExperimentDefinitions, StoredDefinition
from quantlab_resources.experiments.experiment_search import is_wanted, used_by
from quantlab_resources.experiments.journaled_state import execution_of, outputs_of, results_mapping
from quantlab_resources.version import QUANTLAB_VERSION


class ArtifactExperimentTracker:
    """`quantlab_core.experiments.experiment_tracker.ExperimentTracker` over one lake (see docs/experiments.md).

    Everything is answered from the manifest and the definition artifacts, never from the DuckDB index.
    """

    def __init__(self, store: ParquetArtifactStore) -> None:
        self._store = store
        self._definitions = ExperimentDefinitions(store)

    def create(self, definition: ExperimentDefinition) -> Experiment:
        """Publish the definition and journal ``pending`` in one transaction.

        An equal definition (same `definition_hash`) returns the experiment that is there, also when two processes
        create it at once. Raises ConflictError for another definition under the id, ArtifactNotFoundError for unknown
        sets, StrategyError and InvalidInputError for a refused configuration, LogicalKeyError for an unusable id.
        """
        existing = self.find_equal(definition)
        if existing is not None:
            return existing
        provenance = definition.provenance
        request = PublishRequest(
            artifact_type=EXPERIMENT_DEFINITION.name,
            schema_version=EXPERIMENT_DEFINITION.version,
            logical_key=format_key(EXPERIMENT_DEFINITION, {"experiment": definition.experiment_id}),
            data=definition_table(definition, self.definition_hash(definition)),
            writer=Writer("quantlab.experiments", QUANTLAB_VERSION, provenance.git_commit, provenance.git_dirty),
            tags={"experiment_id": definition.experiment_id},
            input_artifact_ids=definition.pinned_ids,
        )
        try:
            self._store.publish_many(
                [request], transition=ExperimentTransition(definition.experiment_id, ExperimentStatus.PENDING)
            )
        except IllegalTransitionError:
            # Another process journaled the id between the look-up and the transaction; its definition decides.
            raced = self.find_equal(definition)
            if raced is None:
                raise
            return raced
        return self.get(definition.experiment_id)

    def find_equal(self, definition: ExperimentDefinition) -> Experiment | None:
        """The experiment under the definition's id if it has an equal definition; None when the id is free.

        Raises ConflictError when the id belongs to another definition.
        """
        if not self._store.journal.entries(definition.experiment_id):
            return None
        stored = self._definitions.get(definition.experiment_id)
        if stored.definition_hash != self.definition_hash(definition):
            raise ConflictError(
                f"experiment {definition.experiment_id} exists with another definition ({stored.artifact_id}), "
                "which stays as it is; choose another id or leave the id out"
            )
        return self._experiment(stored)

    def definition_hash(self, definition: ExperimentDefinition) -> str:
        """The identity of the definition, its inputs by content. Raises ArtifactNotFoundError, StrategyError."""
        aliases_id = definition.caller_aliases_id
        return experiment_identity.definition_hash(
            alert_set_content_hash=self._store.get_artifact(definition.alert_set_id).content_hash,
            candle_set_content_hash=self._store.get_artifact(definition.candle_set_id).content_hash,
            config=definition.config,
            engine_version=definition.provenance.engine_version,
            caller_aliases_content_hash=None
            if aliases_id is None
            else self._store.get_artifact(aliases_id).content_hash,
        )

    def get(self, experiment_id: str) -> Experiment:
        """The experiment as it stands. Raises ExperimentNotFoundError."""
        return self._experiment(self._definitions.get(experiment_id))

    def update_status(self, experiment_id: str, status: ExperimentStatus, *, error: str | None = None) -> None:
        """Journal a change of status. Raises IllegalTransitionError, ExperimentNotFoundError."""
        self._definitions.get(experiment_id)
        self._store.journal.append(ExperimentTransition(experiment_id, status, error))

    def store_results(self, experiment_id: str, results: ExperimentResults) -> None:
        """Record which artifacts are the outputs of the present attempt; recording the same again changes nothing.

        Raises ArtifactNotFoundError, ExperimentNotFoundError, and ConflictError when the experiment has not run or is
        completed with other outputs.
        """
        outputs = results_mapping(results)
        last = self._store.journal.latest(experiment_id)
        if last.status not in {ExperimentStatus.RUNNING, ExperimentStatus.COMPLETED}:
            raise ConflictError(f"experiment {experiment_id} is {last.status} and has no results; let it run first")
        changed = {name: artifact_id for name, artifact_id in outputs.items() if last.outputs.get(name) != artifact_id}
        if not changed:
            return
        replaced = sorted(set(changed) & set(last.outputs))
        if replaced and last.status is ExperimentStatus.COMPLETED:
            raise ConflictError(
                f"experiment {experiment_id} is completed with {replaced[0]} {last.outputs[replaced[0]]}, which stays"
            )
        self._store.journal.record_outputs(experiment_id, changed)

    def find_by_input_artifacts(self, artifact_ids: Sequence[str], match: MatchMode = "any") -> list[Experiment]:
        """Experiments, newest first, that used any (or all) of these artifacts.

        Used is: named as an input, pinned as a frozen set, or a member of one. Ids that nobody used, or nobody knows,
        match nothing; without ids nothing is found.
        """
        wanted = list(dict.fromkeys(artifact_ids))
        if not wanted:
            return []
        through_lineage = [used_by(self._store, artifact_id) for artifact_id in wanted]
        found = []
        for experiment_id in self._ids_newest_first(None):
            experiment = self.get(experiment_id)
            inputs = experiment.definition.inputs
            named = {*inputs.alerts, *inputs.ohlcv, *inputs.strategies}
            hits = (
                artifact_id in named or experiment.definition_artifact_id in users
                for artifact_id, users in zip(wanted, through_lineage, strict=True)
            )
            if any(hits) if match == "any" else all(hits):
                found.append(experiment)
        return found

    def _experiment(self, stored: StoredDefinition) -> Experiment:
        entries = self._store.journal.entries(stored.definition.experiment_id)
        if not entries:
            raise ExperimentNotFoundError(
                f"experiment not found: {stored.definition.experiment_id} was never created, although a definition "
                f"of it is there ({stored.artifact_id}); create it"
            )
        return Experiment(
            definition=stored.definition,
            definition_artifact_id=stored.artifact_id,
            status=entries[-1].status,
            outputs=outputs_of(entries[-1]),
            execution=execution_of(entries),
        )

    def _ids_newest_first(self, status: ExperimentStatus | None) -> Sequence[str]:
        entries = self._store.journal.list_latest(status)
        created = {entry.experiment_id: self._store.journal.entries(entry.experiment_id)[0].seq for entry in entries}
        return sorted(created, key=lambda experiment_id: -created[experiment_id])

    def list(self, filter: ExperimentFilter) -> list[Experiment]:
        """Matching experiments, newest creation first. Raises InvalidInputError for a time that is none.

        ``artifact_type`` keeps those that used an artifact of this type, directly or as member of a frozen set;
        the created_at bounds are about the definition's ``created_at``, a date covers its whole UTC day.
        """
        found: list[Experiment] = []
        for experiment_id in self._ids_newest_first(filter.status):
            if filter.limit is not None and len(found) >= filter.limit:
                break
            experiment = self.get(experiment_id)
            if is_wanted(self._store, experiment.definition, filter):
                found.append(experiment)
        return found
