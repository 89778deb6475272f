"""Every kind of change that an event file can hold, with the function that makes its rows again.

A kind of change is one module with two functions side by side: ``record_…`` notes the change in a transaction and makes
its rows through ``replay_…``, which makes the same rows from the event file. So there is one place where rows are made,
and a rebuilt manifest cannot differ. To add a kind, write such a module and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import apsw

from quantlab_resources.artifacts.changes import (
    adoption_rows,
    artifact_rows,
    collection,
    experiment_journal,
    head_changes,
    losses,
    publication_rows,
    tombstones,
)
from quantlab_resources.artifacts.events.event_files import Event

Replay = Callable[..., None]

REPLAYS: Mapping[str, Replay] = {
    adoption_rows.ADOPTION: adoption_rows.replay_adoption,
    adoption_rows.ADOPTED_HEAD: adoption_rows.replay_adopted_head,
    artifact_rows.KIND: artifact_rows.replay_artifact,
    head_changes.KIND: head_changes.replay_head_change,
    losses.KIND: losses.replay_loss,
    publication_rows.KIND: publication_rows.replay_publication,
    tombstones.TOMBSTONE: tombstones.replay_tombstone,
    tombstones.REVIVAL: tombstones.replay_revival,
    collection.KIND: collection.replay_collection,
    experiment_journal.KIND: experiment_journal.replay_entry,
}


def replay_event(connection: apsw.Connection, event: Event) -> None:
    """Make all rows of one event, its own among them. Raises KeyError for a kind that this quantlab does not know."""
    for change in event.changes:
        REPLAYS[change["kind"]](connection, change, seq=event.seq, at=event.at)
    insert_event(connection, event.seq, event.at, event.sha256)


def insert_event(connection: apsw.Connection, seq: int, at: str, sha256: str) -> None:
    """The row that makes an event count; in a transaction the last one before its commit."""
    connection.execute("INSERT INTO events (seq, at, sha256) VALUES (?, ?, ?)", (seq, at, sha256))
