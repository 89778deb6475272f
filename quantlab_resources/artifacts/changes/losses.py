"""The change ``loss``: a rebuild went on although events were missing or damaged.

It names their numbers, so that later rebuilds do not ask for them again, and leaves out every row that names an
artifact which nothing describes any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

KIND = "loss"

_COLUMNS_THAT_NAME_ARTIFACTS = """
SELECT t.name, f."from" FROM sqlite_master t, pragma_foreign_key_list(t.name) f
WHERE t.type = 'table' AND f."table" = 'artifacts' ORDER BY t.name, f."from"
"""


def record_loss(transaction: ManifestTransaction, events: Sequence[tuple[int, int]]) -> int:
    """Accept that these events are lost, as (first, last); returns how many rows nothing stands behind any more."""
    change = transaction.note(KIND, events=[list(numbers) for numbers in events])
    counted = _dangling_rows(transaction.connection)
    replay_loss(transaction.connection, change, seq=transaction.seq, at=transaction.at)
    return counted


def replay_loss(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """Leave out the rows that a ``loss`` change leaves out."""
    for table, columns in _columns_by_table(connection).items():
        connection.execute(f'DELETE FROM "{table}" WHERE {_is_dangling(columns)}')  # noqa: S608 - our own schema's names
    connection.execute(
        "DELETE FROM publication_inputs WHERE NOT EXISTS (SELECT 1 FROM publications p"
        " WHERE p.seq = publication_inputs.seq AND p.ordinal = publication_inputs.ordinal)"
    )
    # Tags that were replayed before their artifact was found are not in the table that lists by them.
    connection.execute(
        "INSERT OR IGNORE INTO tagged (k, v, artifact_type, created_at, artifact_id)"
        " SELECT t.k, t.v, a.artifact_type, a.created_at, a.artifact_id"
        " FROM artifact_tags t JOIN artifacts a ON a.artifact_id = t.artifact_id"
    )


def _dangling_rows(connection: apsw.Connection) -> int:
    return sum(
        connection.execute(f'SELECT count(*) FROM "{table}" WHERE {_is_dangling(columns)}').get  # noqa: S608
        for table, columns in _columns_by_table(connection).items()
    )


def _columns_by_table(connection: apsw.Connection) -> dict[str, list[str]]:
    """The columns that name artifacts, by table."""
    columns: dict[str, list[str]] = {}
    for table, column in connection.execute(_COLUMNS_THAT_NAME_ARTIFACTS):
        columns.setdefault(table, []).append(column)
    return columns


def _is_dangling(columns: Sequence[str]) -> str:
    """The SQL condition that one of the columns names an artifact that is not there; NULL names none."""
    return " OR ".join(f'"{column}" NOT IN (SELECT artifact_id FROM artifacts)' for column in columns)  # noqa: S608


def declared_losses(changes: Sequence[Mapping[str, Any]]) -> list[tuple[int, int]]:
    """The numbers of lost events, as (first, last), that these changes declare."""
    return [(first, last) for change in changes if change["kind"] == KIND for first, last in change["events"]]
