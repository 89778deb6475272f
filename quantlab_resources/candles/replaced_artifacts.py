"""What the current artifacts took the place of, read off the history of their keys."""

from __future__ import annotations

from collections.abc import Iterable

from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue

_LATEST_CHANGE = """
SELECT old_artifact_id FROM head_changes
WHERE artifact_type = ? AND logical_key = ? AND new_artifact_id = ? ORDER BY seq DESC, ordinal DESC LIMIT 1
"""


def replaced_artifacts(catalogue: ArtifactCatalogue, heads: Iterable[Artifact]) -> dict[str, Artifact]:
    """By the id of each head that superseded another: that other one, as it stood when the head last became one.

    A key that went A, B, A has A as its head, which took the place of B.
    """
    with catalogue.manifest.reading() as connection:
        found = {
            head.artifact_id: row[0]
            for head in heads
            for row in connection.execute(_LATEST_CHANGE, (head.artifact_type, head.logical_key, head.artifact_id))
            if row[0] is not None
        }
    artifacts = catalogue.get_artifacts(list(found.values()))
    return {head: artifact for head, artifact in zip(found, artifacts, strict=True) if artifact is not None}
