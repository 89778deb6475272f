"""How many rows every run published under some keys: what the manifest remembers of earlier materializations."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

import apsw

_LAST_RUN = """
SELECT p.run_id FROM publications p JOIN artifacts a ON a.artifact_id = p.artifact_id
WHERE a.artifact_type IN (SELECT value FROM json_each(?1)) AND p.run_id IS NOT NULL
    AND substr(a.logical_key, 1, length(?2)) = ?2
ORDER BY p.seq DESC LIMIT 1
"""
_OF_KEYS = """
WITH keys AS (
    SELECT DISTINCT a.artifact_type, a.logical_key
    FROM publications p INDEXED BY idx_publications_run JOIN artifacts a ON a.artifact_id = p.artifact_id
    WHERE p.run_id = ?1 AND a.artifact_type IN (SELECT value FROM json_each(?2))
        AND substr(a.logical_key, 1, length(?3)) = ?3
)
SELECT a.artifact_type, a.schema_version, a.logical_key, a.row_count, p.run_id, p.seq
FROM keys k CROSS JOIN artifacts a INDEXED BY idx_artifacts_type_key
    ON a.artifact_type = k.artifact_type AND a.logical_key = k.logical_key
CROSS JOIN publications p ON p.artifact_id = a.artifact_id
ORDER BY p.seq, p.ordinal
"""


@dataclass(frozen=True, slots=True)
class PublishedRows:
    """One publication of one key, deduplicated ones included. ``run_id`` is None for what no run published."""

    artifact_type: str
    schema_version: int
    logical_key: str
    row_count: int
    run_id: str | None
    sequence: int


def last_run(connection: apsw.Connection, artifact_types: Collection[str], key_prefix: str) -> str | None:
    """The run that published artifacts of these types last, with keys that begin so; None where no run did."""
    row = connection.execute(_LAST_RUN, (json.dumps(sorted(artifact_types)), key_prefix)).fetchone()
    return None if row is None else str(row[0])


def published_rows(
    connection: apsw.Connection, artifact_types: Collection[str], key_prefix: str, run_id: str
) -> list[PublishedRows]:
    """Every publication, the oldest first, of the keys that the run published artifacts of these types under."""
    rows = connection.execute(_OF_KEYS, (run_id, json.dumps(sorted(artifact_types)), key_prefix))
    return [PublishedRows(*row) for row in rows]
