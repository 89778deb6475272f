"""Which experiments used an artifact, and which ones a filter keeps."""

from __future__ import annotations

from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.timestamp_text import earliest_timestamp, latest_timestamp
from quantlab_core.errors import ArtifactNotFoundError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.experiment import ExperimentDefinition, ExperimentFilter


def used_by(store: ArtifactStore, artifact_id: str) -> frozenset[str]:
    """Ids of the definition artifacts that pin ``artifact_id``: as a frozen set, or as a member of one at any depth."""
    try:
        downstream = store.get_downstream(artifact_id)
    except ArtifactNotFoundError:
        return frozenset()
    return frozenset(a.artifact_id for a in downstream if a.artifact_type == EXPERIMENT_DEFINITION.name)


def is_wanted(store: ArtifactStore, definition: ExperimentDefinition, wanted: ExperimentFilter) -> bool:
    """Whether ``definition`` meets the conditions of ``wanted`` that do not depend on the experiment's state."""
    provenance = definition.provenance
    created_at = earliest_timestamp(provenance.created_at)
    if wanted.git_commit is not None and provenance.git_commit != wanted.git_commit:
        return False
    if wanted.min_created_at is not None and created_at < earliest_timestamp(wanted.min_created_at):
        return False
    if wanted.max_created_at is not None and created_at > latest_timestamp(wanted.max_created_at):
        return False
    return wanted.artifact_type is None or wanted.artifact_type in _input_types(store, definition)


def _input_types(store: ArtifactStore, definition: ExperimentDefinition) -> set[str]:
    inputs = definition.inputs
    named = store.get_artifacts([*inputs.alerts, *inputs.ohlcv, *inputs.strategies, *definition.pinned_ids])
    types = {artifact.artifact_type for artifact in named if artifact is not None}
    for set_id in (definition.alert_set_id, definition.candle_set_id):
        lineage = store.get_lineage(set_id)
        types |= {artifact.artifact_type for artifact in lineage.inputs if artifact.artifact_type != ARTIFACT_SET.name}
    return types
