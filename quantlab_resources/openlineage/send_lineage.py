"""Sending what waits in the outbox to one destination, and how it stands.

Nothing is lost: the position moves only when the destination has acknowledged. Nothing is made twice: what a crash
leaves unclear is read off the destination (a file), or goes out again as the same event (an endpoint).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from quantlab_core.errors import ConflictError
from quantlab_resources.openlineage.delivery_positions import DeliveryPositions
from quantlab_resources.openlineage.lineage_destination import LineageChannel, LineageDestination
from quantlab_resources.openlineage.lineage_outbox import LineageOutbox, WaitingTransaction


@dataclass(frozen=True, slots=True)
class LineageReport:
    """``sent`` events went out now; the destination was told up to change ``sequence`` of the lake's ``last``, and
    ``waiting`` changes are left. ``at`` is when it acknowledged something last (UTC text); None before the first."""

    destination: str
    sent: int
    sequence: int
    last: int
    waiting: int
    at: str | None


def lineage_status(
    outbox: LineageOutbox, destination: LineageDestination, positions: DeliveryPositions
) -> LineageReport:
    """How far the destination was told, as recorded here; it is not opened. Raises ConflictError as `send_lineage`."""
    recorded = positions.recorded(destination.address)
    place = None if recorded is None else recorded.place
    return LineageReport(
        destination.address,
        sent=0,
        sequence=0 if place is None else place.sequence,
        last=outbox.last_sequence(),
        waiting=outbox.number_waiting(place),
        at=None if recorded is None else recorded.at,
    )


def send_lineage(
    outbox: LineageOutbox,
    destination: LineageDestination,
    positions: DeliveryPositions,
    *,
    limit: int | None = None,
    most_s: float | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> LineageReport:
    """Send the events that wait, oldest first: at most ``limit``, and none is begun after ``most_s`` seconds.

    Raises ConflictError when another sender is at work or what was sent is no part of this lake's history,
    DeliveryError when the receiver does not take an event, StorageError, IntegrityError for a damaged event file.
    Whatever is raised, what was acknowledged counts as sent.
    """
    until = None if most_s is None else monotonic() + most_s
    with positions.locked(destination.address) as is_alone:
        if not is_alone:
            raise ConflictError(f"{destination.address}: another sender is at work; repeat later")
        with destination.open() as channel:
            sending = _Sending(outbox, destination.address, positions, channel)
            try:
                sending.send(limit, lambda: until is not None and monotonic() > until)
            finally:
                sending.record()
    status = lineage_status(outbox, destination, positions)
    return LineageReport(
        status.destination, sending.sent, status.sequence, status.last, status.waiting, status.at
    )  # fmt: skip


class _Sending:
    def __init__(
        self, outbox: LineageOutbox, address: str, positions: DeliveryPositions, channel: LineageChannel
    ) -> None:
        recorded = positions.recorded(address)
        self._outbox = outbox
        self._address = address
        self._positions = positions
        self._channel = channel
        self._recorded = None if recorded is None else recorded.place
        self._place = self._recorded
        self.sent = 0

    def send(self, limit: int | None, is_late: Callable[[], bool]) -> None:
        """Send until nothing waits or it is enough."""
        received = self._channel.last_received()
        for place in (self._recorded, received):
            self._outbox.check(place)
        if received is not None and (self._place is None or received > self._place):
            self._place = received
        for transaction in self._outbox.waiting(self._place):
            if not self._send_parts(transaction, limit, is_late):
                return
            if transaction.lines:
                self.record()

    def _send_parts(self, transaction: WaitingTransaction, limit: int | None, is_late: Callable[[], bool]) -> bool:
        """Send what was not sent of one transaction; False when it is enough for now."""
        done = self._place.part if self._place is not None and self._place.sequence == transaction.sequence else 0
        for part, line in enumerate(transaction.lines[done:], start=done + 1):
            if (limit is not None and self.sent >= limit) or is_late():
                return False
            self._channel.send(line)
            self._place = transaction.place(part)
            self.sent += 1
        self._place = transaction.place(max(done, len(transaction.lines)))
        return True

    def record(self) -> None:
        """Write down how far it went, if it went anywhere."""
        if self._place is not None and self._place != self._recorded:
            self._positions.move(self._address, self._place)
            self._recorded = self._place
