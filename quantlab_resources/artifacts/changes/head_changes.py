"""The change ``head``: an artifact takes the place of another under a key, or a key is left without a head.

Statuses and the table of latest links follow from it: the new artifact is active, the old one superseded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

KIND = "head"


def record_head_change(
    transaction: ManifestTransaction,
    artifact_type: str,
    logical_key: str,
    *,
    new: str | None,
    old: str | None,
    head: str | None,
    reason: str,
) -> None:
    """Let ``new`` take the place of ``old`` in the history of the key, whose head is ``head`` from now on.

    ``new`` is None when ``old`` was withdrawn. ``head`` differs from ``new`` when that belongs to another key.
    """
    change = transaction.note(
        KIND,
        ordinal=transaction.next_ordinal(),
        artifact_type=artifact_type,
        logical_key=logical_key,
        new=new,
        old=old,
        head=head,
        reason=reason,
    )
    replay_head_change(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_head_change(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of a ``head`` change."""
    values = {**change, "seq": seq, "at": at}
    connection.execute(
        "INSERT INTO head_changes (seq, ordinal, artifact_type, logical_key, new_artifact_id, old_artifact_id, reason,"
        " at) VALUES (:seq, :ordinal, :artifact_type, :logical_key, :new, :old, :reason, :at)",
        values,
    )
    if change["new"] is not None:
        _supersede(connection, values)
    if change["head"] is None:
        connection.execute(
            "DELETE FROM artifact_heads WHERE artifact_type = :artifact_type AND logical_key = :logical_key", values
        )
    else:
        connection.execute(
            "INSERT INTO artifact_heads (artifact_type, logical_key, artifact_id, seq)"
            " VALUES (:artifact_type, :logical_key, :head, :seq) ON CONFLICT DO UPDATE"
            " SET artifact_id = excluded.artifact_id, seq = excluded.seq WHERE artifact_id <> excluded.artifact_id",
            values,
        )


def _supersede(connection: apsw.Connection, values: Mapping[str, Any]) -> None:
    """An active artifact stands in nobody's shadow: links to it go. The table has one link for each new artifact."""
    connection.execute("UPDATE artifacts SET status = 'active' WHERE artifact_id = :new", values)
    connection.execute("DELETE FROM artifact_supersedes WHERE supersedes_artifact_id = :new", values)
    if values["old"] is not None:
        connection.execute("UPDATE artifacts SET status = 'superseded' WHERE artifact_id = :old", values)
        connection.execute(
            "INSERT OR REPLACE INTO artifact_supersedes (artifact_id, supersedes_artifact_id) VALUES (:new, :old)",
            values,
        )
