"""Port of alert sources: forms in which the messages of a group come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from quantlab_core.alerts.telegram_message import RawMessage


class AlertSource(Protocol):
    """One form of export. What it reads is handed on message by message; everything after that is shared."""

    @property
    def name(self) -> str:
        """The form's name for people, e.g. ``Telegram Desktop JSON``."""
        ...

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` (up to 4 kB) looks like this form."""
        ...

    def read(self, path: Path) -> Iterator[RawMessage]:
        """Every message of the file, in file order, as `normalise_message` takes it.

        Raises TelegramExportError (with the byte offset of damage), NotFoundError, StorageError; what was yielded
        before an error must not be used.
        """
        ...
