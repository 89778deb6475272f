"""What a projection would be made of now: the present heads of the keys that it was built from."""

from __future__ import annotations

from collections.abc import Sequence

from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.manifest import manifest_queries
from quantlab_resources.projections.table_plan import existing, expand_sets


def current_ids(store: ParquetArtifactStore, artifact_ids: Sequence[str]) -> tuple[str, ...]:
    """The ids of the heads of the keys of these artifacts, each once. Raises ArtifactNotFoundError."""
    return tuple(head.artifact_id for head in current_heads(store, existing(store, artifact_ids)))


def current_members(store: ParquetArtifactStore, artifact_ids: Sequence[str]) -> list[Artifact]:
    """The heads of what these ids stand for, sets expanded. Raises ArtifactNotFoundError."""
    return current_heads(store, expand_sets(store, artifact_ids))


def current_heads(store: ParquetArtifactStore, artifacts: Sequence[Artifact]) -> list[Artifact]:
    """The active head of each artifact's key, each once, in the order of ``artifacts``; withdrawn keys have none."""
    known = {artifact.artifact_id: artifact for artifact in artifacts}
    with store.manifest.reading() as connection:
        heads = [
            manifest_queries.head_of(connection, artifact.artifact_type, artifact.logical_key) for artifact in artifacts
        ]
    found = list(dict.fromkeys(head for head in heads if head is not None))
    known |= {artifact.artifact_id: artifact for artifact in existing(store, [h for h in found if h not in known])}
    return [known[head] for head in found]
