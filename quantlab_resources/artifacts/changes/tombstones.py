"""The changes ``tombstone`` and ``revival``: an artifact is withdrawn, or a withdrawn one is published again.

The table holds the tombstones that stand. One that was lifted is history: both changes stay in the event files, and in
the head changes of the key where the artifact was its head.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

TOMBSTONE = "tombstone"
REVIVAL = "revival"


def record_tombstone(transaction: ManifestTransaction, artifact_id: str, *, reason: str) -> None:
    """Withdraw an artifact; where it is a head, `record_head_change` takes it from its key."""
    change = transaction.note(TOMBSTONE, artifact_id=artifact_id, reason=reason)
    replay_tombstone(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_tombstone(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of a ``tombstone`` change."""
    connection.execute(
        "INSERT INTO tombstones (artifact_id, seq, reason, at) VALUES (:artifact_id, :seq, :reason, :at)",
        {**change, "seq": seq, "at": at},
    )
    connection.execute("UPDATE artifacts SET status = 'tombstoned' WHERE artifact_id = :artifact_id", dict(change))


def record_revival(transaction: ManifestTransaction, artifact_id: str) -> None:
    """Lift the tombstone of an artifact; `record_head_change` makes it active and the head of its key."""
    change = transaction.note(REVIVAL, artifact_id=artifact_id)
    replay_revival(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_revival(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of a ``revival`` change."""
    connection.execute("DELETE FROM tombstones WHERE artifact_id = :artifact_id", dict(change))
