"""Where lineage goes: what a file and an endpoint have in common."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from quantlab_resources.openlineage.lineage_outbox import Place


class LineageChannel(Protocol):
    """A destination while somebody sends to it."""

    def last_received(self) -> Place | None:
        """The place in the log that the destination itself says it has; None where it says nothing."""

    def send(self, line: bytes) -> None:
        """Hand over one event; on return the destination has it for good. Raises DeliveryError, StorageError."""


class LineageDestination(Protocol):
    """A file or an endpoint. ``address`` names it, in messages and for its delivery position; it holds no secret."""

    @property
    def address(self) -> str:
        """The whole path, or the URL."""

    def open(self) -> AbstractContextManager[LineageChannel]:
        """Open it to send. Raises ConflictError, StorageError."""
