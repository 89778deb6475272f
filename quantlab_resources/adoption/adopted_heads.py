"""Which adopted artifact stands for its key: the newest active one that can be read; statuses stay as they were."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from quantlab_resources.adoption.adoption_report import SeveralActive
from quantlab_resources.adoption.examination import CONFIRMED, UNREADABLE
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.adoption_rows import record_adopted_head
from quantlab_resources.artifacts.manifest.manifest_queries import head_of

_HEADS_A_TRANSACTION = 500
_IS_WHOLE = f"d.file_check = '{CONFIRMED}' AND d.content_check <> '{UNREADABLE}'"

# A key whose chosen artifact was withdrawn or replaced later keeps that decision: an older one does not come back.
_UNDECIDED = f"""
SELECT n.artifact_type, n.schema_version, n.logical_key, n.artifact_id FROM (
    SELECT a.*, row_number() OVER (
        PARTITION BY a.artifact_type, a.logical_key ORDER BY a.created_at DESC, a.artifact_id DESC
    ) AS place
    FROM adoptions d JOIN artifacts a ON a.artifact_id = d.artifact_id
    WHERE a.status = 'active' AND {_IS_WHOLE}
) n
WHERE n.place = 1 AND NOT EXISTS (
    SELECT 1 FROM artifacts b JOIN adoptions e ON e.artifact_id = b.artifact_id
    WHERE b.artifact_type = n.artifact_type AND b.logical_key = n.logical_key AND e.was_head
    AND (b.created_at, b.artifact_id) >= (n.created_at, n.artifact_id)
)
ORDER BY n.artifact_type, n.logical_key
"""  # noqa: S608 - fixed text

_SEVERAL_ACTIVE = """
SELECT a.artifact_type, a.logical_key, count(*) FROM adoptions d JOIN artifacts a ON a.artifact_id = d.artifact_id
WHERE a.status = 'active' GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2
"""

_WITHOUT_HEAD = f"""
SELECT a.artifact_type, a.logical_key FROM adoptions d JOIN artifacts a ON a.artifact_id = d.artifact_id
WHERE a.status = 'active' GROUP BY 1, 2 HAVING max({_IS_WHOLE}) = 0 ORDER BY 1, 2
"""  # noqa: S608 - fixed text


def choose_heads(store: ParquetArtifactStore) -> list[tuple[str, int]]:
    """Let the newest whole active artifact stand for every key that has none yet; the types of those chosen."""
    with store.manifest.reading() as connection:
        undecided = list(connection.execute(_UNDECIDED))
    for start in range(0, len(undecided), _HEADS_A_TRANSACTION):
        with store.manifest.writing() as transaction:
            for artifact_type, _, logical_key, artifact_id in undecided[start : start + _HEADS_A_TRANSACTION]:
                old = head_of(transaction.connection, artifact_type, logical_key)
                record_adopted_head(transaction, artifact_type, logical_key, artifact_id, old=old)
    return [(artifact_type, version) for artifact_type, version, _, _ in undecided]


def keys_with_several_active(connection: apsw.Connection) -> list[SeveralActive]:
    """Keys under which several adopted artifacts are active, in order."""
    return [SeveralActive(*row) for row in connection.execute(_SEVERAL_ACTIVE)]


def keys_without_head(connection: apsw.Connection) -> Sequence[tuple[str, str]]:
    """Keys with active adopted artifacts none of which can be read, in order: a head that cannot be read would stop
    whoever works with the key."""
    return [(row[0], row[1]) for row in connection.execute(_WITHOUT_HEAD)]
