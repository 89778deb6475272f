"""Port of alert sources: forms in which the messages of a group come in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from quantlab_core.alerts.telegram_message import RawMessage

REPAIRS: Mapping[str, str] = {
    "bad_bytes": "bytes that are no text in the file's encoding, read as U+FFFD",
    "bad_escapes": r"escapes that JSON does not have (\x01), read as the character that they mean",
    "unquoted_document_ids": "values of document_id without their quotes",
    "duplicate_keys": "keys that stand twice in one message; the later value counts unless it is empty",
}
"""Names of the repairs that a reader may count, and what each means; a reader may add names of its own."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What the user says about an export that the file does not say itself.

    ``time_zone`` is the IANA name of the zone in which local dates were written (messages that carry unix time do not
    need it). ``salvage`` asks for the whole messages of a damaged file, with what is lost in the report. ``chat_id`` is
    the bare id of the chat, for exports that do not tell it (HTML).
    """

    time_zone: str | None = None
    salvage: bool = False
    chat_id: int | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """The part of a damaged file that was not read: from this byte on, so many bytes, and why."""

    from_byte: int
    bytes: int
    reason: str


@dataclass(slots=True)
class ReadingReport:
    """What a reader did to an export; the reader fills it, and it is whole when its messages are at their end.

    ``messages`` counts the entries handed out, ``repairs`` what was mended (see `REPAIRS`), and ``loss`` is set only
    where a damaged file was salvaged.
    """

    repairs: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    loss: Loss | None = None

    def params(self) -> dict[str, object]:
        """The report as parameters of a publication: empty for a file that was read as it is."""
        stated: dict[str, object] = {}
        if self.repairs:
            stated["repairs"] = {name: self.repairs[name] for name in sorted(self.repairs)}
        if self.loss is not None:
            stated["lost_from_byte"] = self.loss.from_byte
            stated["lost_bytes"] = self.loss.bytes
            stated["lost_reason"] = self.loss.reason
        return stated


class AlertSource(Protocol):
    """One form of export. What it reads is handed on message by message; everything after that is shared."""

    @property
    def name(self) -> str:
        """The form's name for people, e.g. ``Telegram Desktop JSON``."""
        ...

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with ``head`` (up to 4 kB) looks like this form."""
        ...

    def read(self, path: Path, options: ReadOptions, report: ReadingReport) -> Iterator[RawMessage]:
        """Every message of the file, in file order, as `normalise_message` takes it; ``report`` is filled on the way.

        Raises TelegramExportError (with the byte offset of damage; or because a time zone must be named),
        NotFoundError, StorageError; what was yielded before an error must not be used.
        """
        ...
