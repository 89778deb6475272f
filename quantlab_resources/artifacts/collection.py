"""Collection: bytes that were removed on purpose, because nothing that is in use was made from them.

A kind of change of the manifest, with both of its directions: recorded in a transaction and its event file, and
replayed from the event file when the manifest is rebuilt. Row, sidecar and lineage of a collected artifact stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from quantlab_resources.artifacts.manifest_transaction import ManifestTransaction

KIND = "collection"


def record_collection(transaction: ManifestTransaction, artifact_ids: Sequence[str]) -> None:
    """Record that the bytes of these artifacts are given up; they are removed after the commit."""
    ids = sorted(artifact_ids)
    _insert(transaction.connection, ids, seq=transaction.seq, at=transaction.at)
    transaction.note(KIND, removed=ids)


def record_restoration(transaction: ManifestTransaction, artifact_ids: Sequence[str]) -> None:
    """Record of those that had been collected that their bytes are back; nothing where none had been."""
    rows = transaction.connection.execute(
        "SELECT artifact_id FROM collections WHERE artifact_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(artifact_ids)),),
    )
    ids = sorted(row[0] for row in rows)
    if ids:
        _delete(transaction.connection, ids)
        transaction.note(KIND, restored=ids)


def replay_collection(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """Make the rows of a change of this kind, as its event file has it, again."""
    _insert(connection, change.get("removed", ()), seq=seq, at=at)
    _delete(connection, change.get("restored", ()))


def collected_at(connection: apsw.Connection, artifact_id: str) -> str | None:
    """When the artifact's bytes were given up (UTC text); None when they were not."""
    row = connection.execute("SELECT at FROM collections WHERE artifact_id = ?", (artifact_id,)).fetchone()
    return None if row is None else str(row[0])


def _insert(connection: apsw.Connection, artifact_ids: Sequence[str], *, seq: int, at: str) -> None:
    connection.executemany(
        "INSERT INTO collections (artifact_id, seq, at) VALUES (?, ?, ?)",
        ((artifact_id, seq, at) for artifact_id in artifact_ids),
    )


def _delete(connection: apsw.Connection, artifact_ids: Sequence[str]) -> None:
    connection.executemany(
        "DELETE FROM collections WHERE artifact_id = ?", ((artifact_id,) for artifact_id in artifact_ids)
    )
