"""Definitions as they are stored, each read and checked once per process: an artifact never changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.logical_key import format_key, is_key_value
from quantlab_core.errors import ExperimentNotFoundError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.definition_table import definition_hash_of, definition_of
from quantlab_core.experiments.experiment import ExperimentDefinition

_KEEP = 4_096


@dataclass(frozen=True, slots=True)
class StoredDefinition:
    """A definition with its artifact and its hash."""

    artifact_id: str
    definition: ExperimentDefinition
    definition_hash: str


class ExperimentDefinitions:
    """Reads the definitions of one lake."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._known: dict[str, StoredDefinition] = {}

    def find(self, experiment_id: str) -> StoredDefinition | None:
        """The definition of an experiment; None when there is none. One that was withdrawn is still found."""
        if not is_key_value(experiment_id):
            return None
        key = format_key(EXPERIMENT_DEFINITION, {"experiment": experiment_id})
        artifacts = self._store.find_by_logical_key(EXPERIMENT_DEFINITION.name, key)
        return self._read(_head_or_newest(artifacts)) if artifacts else None

    def get(self, experiment_id: str) -> StoredDefinition:
        """The definition of an experiment. Raises ExperimentNotFoundError."""
        stored = self.find(experiment_id)
        if stored is None:
            raise ExperimentNotFoundError(
                f"experiment not found: {experiment_id[:100]!r}; `quantlab experiments list` shows what there is"
            )
        return stored

    def _read(self, artifact: Artifact) -> StoredDefinition:
        stored = self._known.get(artifact.artifact_id)
        if stored is None:
            table = self._store.read(artifact.artifact_id)
            stored = StoredDefinition(artifact.artifact_id, definition_of(table), definition_hash_of(table))
            if len(self._known) >= _KEEP:
                self._known.clear()
            self._known[artifact.artifact_id] = stored
        return stored


def _head_or_newest(newest_first: Iterable[Artifact]) -> Artifact:
    artifacts = list(newest_first)
    return next((artifact for artifact in artifacts if artifact.status == "active"), artifacts[0])
