"""The change ``loss``: a rebuild went on although events were missing or damaged.

It names their numbers, so that later rebuilds do not ask for them again, and leaves out every row that names an
artifact which nothing describes any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest_transaction import ManifestTransaction

KIND = "loss"

_TABLES_BESIDE_ARTIFACTS = """
SELECT t.name, f."from" FROM sqlite_master t, pragma_foreign_key_list(t.name) f
WHERE t.type = 'table' AND f."table" = 'artifacts' ORDER BY t.name, f."from"
"""


def record_loss(transaction: ManifestTransaction, events: Sequence[tuple[int, int]]) -> int:
    """Accept that these events are lost, as (first, last); returns how many rows nothing stands behind any more."""
    change = transaction.note(KIND, events=[list(numbers) for numbers in events])
    before = transaction.connection.total_changes()
    replay_loss(transaction.connection, change, seq=transaction.seq, at=transaction.at)
    return transaction.connection.total_changes() - before


def replay_loss(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """Leave out the rows that a ``loss`` change leaves out."""
    for table, column in list(connection.execute(_TABLES_BESIDE_ARTIFACTS)):
        connection.execute(
            f'DELETE FROM "{table}" WHERE "{column}" IS NOT NULL'  # noqa: S608 - names from our own schema
            f' AND "{column}" NOT IN (SELECT artifact_id FROM artifacts)'
        )
    connection.execute(
        "DELETE FROM publication_inputs WHERE NOT EXISTS (SELECT 1 FROM publications p"
        " WHERE p.seq = publication_inputs.seq AND p.ordinal = publication_inputs.ordinal)"
    )


def declared_losses(changes: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The numbers of lost events, as (first, last), that these changes declare."""
    return [(first, last) for change in changes if change["kind"] == KIND for first, last in change["events"]]
