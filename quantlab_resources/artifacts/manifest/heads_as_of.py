"""Heads as they were at one moment of the manifest, plus what one run has published since."""

from __future__ import annotations

import apsw

from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of

_QUERY = f"""
SELECT {ARTIFACT_COLUMNS} FROM artifact_heads h JOIN artifacts a ON a.artifact_id = CASE
    WHEN h.seq <= :sequence THEN h.artifact_id
    ELSE (
        SELECT c.new_artifact_id FROM head_changes c
        WHERE c.artifact_type = h.artifact_type AND c.logical_key = h.logical_key
        AND (
            c.seq <= :sequence
            OR EXISTS (SELECT 1 FROM publications p WHERE p.seq = c.seq AND p.run_id = :run_id)
        )
        ORDER BY c.seq DESC, c.ordinal DESC LIMIT 1
    ) END
    AND a.logical_key = h.logical_key -- an artifact of another key that took over is no head of this one
WHERE h.artifact_type = :artifact_type AND h.logical_key >= :first AND h.logical_key < :after
ORDER BY h.logical_key
"""  # noqa: S608 - fixed text


def last_sequence(connection: apsw.Connection) -> int:
    """The number of the latest committed change; 0 in an empty lake."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").get)


def heads_as_of(
    connection: apsw.Connection, artifact_type: str, key_prefix: str, *, sequence: int, run_id: str
) -> list[Artifact]:
    """The head of every key of this type that starts with ``key_prefix``, sorted by key.

    A change after ``sequence`` counts only when ``run_id`` made it. A key that came later with another run is left out.
    """
    bindings = {
        "artifact_type": artifact_type,
        "first": key_prefix,
        "after": key_prefix + "\U0010ffff",
        "sequence": sequence,
        "run_id": run_id,
    }
    return [artifact_of(row) for row in connection.execute(_QUERY, bindings)]
