"""What runs published that still stands: for a run that goes on where they ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import apsw

from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of

_QUERY = f"""
SELECT {ARTIFACT_COLUMNS},
    EXISTS (
        SELECT 1 FROM artifact_heads h
        WHERE h.artifact_type = a.artifact_type AND h.logical_key = a.logical_key AND h.artifact_id = a.artifact_id
    ) AND NOT EXISTS (
        SELECT 1 FROM publication_inputs i JOIN artifacts b ON b.artifact_id = i.input_artifact_id
        WHERE i.seq = p.seq AND i.ordinal = p.ordinal AND b.status <> 'active'
    )
FROM publications p INDEXED BY idx_publications_run JOIN artifacts a ON a.artifact_id = p.artifact_id
WHERE p.run_id = ? AND a.artifact_type = ?
ORDER BY p.seq, p.ordinal
"""  # noqa: S608 - fixed text


@dataclass(frozen=True, slots=True)
class RunPublication:
    """An artifact that a run published. It stands while it is current and nothing that it was made from was replaced or
    withdrawn."""

    artifact: Artifact
    stands: bool


def run_publications(
    connection: apsw.Connection, run_id: str, artifact_types: Sequence[str]
) -> Iterator[RunPublication]:
    """Everything of these types that the run published, type by type, in order."""
    for artifact_type in artifact_types:
        for row in connection.execute(_QUERY, (run_id, artifact_type)):
            yield RunPublication(artifact_of(row[:-1]), bool(row[-1]))
