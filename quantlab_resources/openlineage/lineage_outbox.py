"""The manifest's log as an outbox: what was committed, in order, as lines of OpenLineage that are the same every time.

There is no second table that could disagree with the log: a transaction is waiting when its number is beyond the place
up to which a destination was told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from quantlab_core.errors import ConflictError, IntegrityError
from quantlab_resources.artifacts.manifest import manifest_queries
from quantlab_resources.artifacts.manifest.manifest import Manifest

# Types of artifacts load Arrow, which a look that finds nothing new need not wait for.
if TYPE_CHECKING:
    from quantlab_core.lineage.logged_transaction import LoggedTransaction
    from quantlab_core.lineage.openlineage_events import LakeIdentity

_AFTER = "SELECT seq, at, sha256 FROM events WHERE seq > ? ORDER BY seq LIMIT 1"
_FIRST = "SELECT sha256 FROM events ORDER BY seq LIMIT 1"
_LAST = "SELECT coalesce(max(seq), 0) FROM events"
_WAITING = "SELECT count(*) FROM events WHERE seq > ?"
_LAKE_DIGITS = 16


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in the log: event ``part`` of the ``parts`` that tell of transaction ``sequence``.

    ``sha256`` is that of the transaction's event file.
    """

    sequence: int
    part: int
    parts: int
    sha256: str

    @property
    def whole_up_to(self) -> int:
        """The last transaction of which nothing is left to tell."""
        return self.sequence if self.part == self.parts else self.sequence - 1


@dataclass(frozen=True, slots=True)
class WaitingTransaction:
    """A transaction with the events that tell of it, as JSON lines without the line's end; often none."""

    sequence: int
    sha256: str
    lines: tuple[bytes, ...]

    def place(self, part: int) -> Place:
        """Where one stands after this part."""
        return Place(self.sequence, part, len(self.lines), self.sha256)


class LineageOutbox:
    """What a lake has to tell. ``namespace`` is what receivers show for it: None for one made of its identity."""

    def __init__(self, manifest: Manifest, events: Path, *, namespace: str | None = None) -> None:
        self._manifest = manifest
        self._events = events
        self._namespace = namespace

    def lake(self) -> str | None:
        """What tells this lake's history from others, wherever it is copied or moved to; None while it is empty."""
        with self._manifest.reading() as connection:
            first: str | None = connection.execute(_FIRST).get
        return None if first is None else first[:_LAKE_DIGITS]

    def last_sequence(self) -> int:
        """The number of the latest committed transaction; 0 in an empty lake."""
        with self._manifest.reading() as connection:
            return int(connection.execute(_LAST).get)

    def number_waiting(self, sent: Place | None) -> int:
        """How many transactions are beyond ``sent``. Raises ConflictError as `check` does."""
        self.check(sent)
        with self._manifest.reading() as connection:
            return int(connection.execute(_WAITING, (0 if sent is None else sent.whole_up_to,)).get)

    def check(self, sent: Place | None) -> None:
        """Raise ConflictError when ``sent`` is no place in this log: another lake's, or this one went back in time."""
        if sent is None:
            return
        with self._manifest.reading() as connection:
            found = connection.execute("SELECT sha256 FROM events WHERE seq = ?", (sent.sequence,)).get
            last = int(connection.execute(_LAST).get)
        if found == sent.sha256 or (found is None and sent.sequence < last):  # lost to a rebuild that said so
            return
        if sent.sequence > last:
            raise ConflictError(
                f"change {sent.sequence} was sent but the lake ends with change {last}: it is an older copy; nothing"
                " was sent; `quantlab lake rebuild-manifest` takes later events in, or name another destination"
            )
        raise ConflictError(
            f"change {sent.sequence} that was sent is not the change {sent.sequence} of this lake; nothing was sent;"
            " name another destination for this lake"
        )

    def waiting(self, sent: Place | None) -> Iterator[WaitingTransaction]:
        """Every transaction after ``sent``, oldest first; one of which a part was sent comes with all its lines.

        One at a time, so that memory does not grow with what waits. Raises IntegrityError for a damaged event file.
        """
        from quantlab_core.lineage.openlineage_events import LakeIdentity

        lake = self.lake()
        if lake is None:
            return
        identity = LakeIdentity(lake, self._namespace or f"quantlab://{lake}")
        after = 0 if sent is None else sent.whole_up_to
        while True:
            with self._manifest.reading() as connection:
                row = connection.execute(_AFTER, (after,)).fetchone()
                if row is None:
                    return
                transaction = self._transaction(connection, *row)
            yield _told(transaction, identity)
            after = transaction.sequence

    def _transaction(self, connection: apsw.Connection, seq: int, at: str, sha256: str) -> LoggedTransaction:
        from quantlab_core.lineage.logged_transaction import LoggedTransaction, named_artifacts
        from quantlab_resources.artifacts.events.event_files import event_path, read_event

        event = read_event(self._events, seq)
        if event.sha256 != sha256:
            raise IntegrityError(f"{event_path(self._events, seq)} is damaged; restore it from a backup")
        named = sorted(named_artifacts(event.changes))
        found = dict(zip(named, manifest_queries.get_many(connection, named), strict=True))
        artifacts = {artifact_id: artifact for artifact_id, artifact in found.items() if artifact is not None}
        if len(artifacts) < len(named):
            missing = next(artifact_id for artifact_id in named if artifact_id not in artifacts)
            raise IntegrityError(f"{event_path(self._events, seq)} names artifact {missing} that the manifest lacks")
        return LoggedTransaction(seq, at, sha256, event.changes, artifacts)


def _told(transaction: LoggedTransaction, identity: LakeIdentity) -> WaitingTransaction:
    from quantlab_core.lineage.openlineage_events import events_of

    lines = tuple(
        json.dumps(event, separators=(",", ":"), allow_nan=False).encode() for event in events_of(transaction, identity)
    )
    return WaitingTransaction(transaction.sequence, transaction.sha256, lines)
