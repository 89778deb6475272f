"""Reading a Telegram Desktop JSON export (one chat, or a whole account) message by message.

The file is streamed: memory holds a window of it, not the export. Reading stops with an error at the first damage,
unless salvage was asked for, so a caller builds everything before it publishes anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from quantlab_core.alerts.alert_source import Loss, ReadingReport, ReadOptions
from quantlab_core.alerts.telegram_message import Chat, RawMessage
from quantlab_core.errors import NotFoundError, StorageError, TelegramExportError
from quantlab_resources.alerts.export_text import ExportText
from quantlab_resources.alerts.json_cursor import JsonCursor, JsonDamage, ValueTooLarge

MAX_MESSAGE_CHARACTERS = 1024 * 1024
MAX_MESSAGE_DEPTH = 64

_LISTS_OF_CHATS = frozenset({"chats", "left_chats"})
_HEADER = frozenset({"id", "name", "type"})
_REMEDY = "copy or export it again, or ask for its whole messages with --salvage"


class TelegramJson:
    """`quantlab_core.alerts.alert_source.AlertSource` for Telegram Desktop's ``result.json``."""

    name = "Telegram Desktop JSON"

    def recognises(self, head: bytes) -> bool:
        """JSON objects, in UTF-8 or UTF-16, with or without a byte order mark."""
        return head.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"{")

    def read(self, path: Path, options: ReadOptions, report: ReadingReport) -> Iterator[RawMessage]:
        """Every entry of every chat, as `read_telegram_json`."""
        return read_telegram_json(path, options, report)


def read_telegram_json(
    path: Path, options: ReadOptions | None = None, report: ReadingReport | None = None
) -> Iterator[RawMessage]:
    """Every entry of every chat of the export at ``path``, in file order, numbered from 0 over the whole file.

    ``report`` counts what was mended, and says what was lost where ``options`` ask for salvage: the whole messages
    before the damage. Raises NotFoundError if there is no file, StorageError if it cannot be read, and
    TelegramExportError, possibly after some messages, if it is no Telegram export, is damaged (the message has the
    byte offset), or states local times only while no time zone was named.
    """
    options = ReadOptions() if options is None else options
    report = ReadingReport() if report is None else report
    try:
        yield from _ExportReader(path, options, report).messages()
    except FileNotFoundError:
        raise NotFoundError(f"{path} not found; name the result.json of a Telegram Desktop export") from None
    except IsADirectoryError:
        raise TelegramExportError(f"{path} is a folder; name the result.json in it") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error


class _ExportReader:
    """One pass over the export at ``path``; with ``only_headers`` for what it says about each chat, no messages."""

    def __init__(self, path: Path, options: ReadOptions, report: ReadingReport, *, only_headers: bool = False) -> None:
        self._path = path
        self._options = options
        self._report = report
        self._only_headers = only_headers
        self._holds_chats = False
        self._has_unix_time = self._has_local_time = False
        self._headers: list[dict[str, object]] = []
        self._late_headers: list[dict[str, object]] | None = None

    def messages(self) -> Iterator[RawMessage]:
        """All entries; at the end the report is whole."""
        with self._path.open("rb") as stream:
            cursor = JsonCursor(ExportText(stream, str(self._path), self._report.repairs))
            try:
                yield from self._root(cursor)
            except JsonDamage as damage:
                self._salvage(cursor.offset, self._damage(damage))
            except ValueTooLarge as large:
                self._salvage(cursor.offset, self._too_large(large))
        if not self._holds_chats:
            raise TelegramExportError(
                f"{self._path} is JSON but not a Telegram export (no messages); name the result.json of one"
            )
        if self._has_local_time and not self._has_unix_time and self._options.time_zone is None:
            raise TelegramExportError(
                f"{self._path} states local times only (no date_unixtime), so it does not say when its messages were "
                "sent; name the time zone of the computer that made it, for example --timezone Europe/Berlin"
            )

    def _root(self, cursor: JsonCursor) -> Iterator[RawMessage]:
        if cursor.peek() == "{":
            yield from self._chat(cursor, may_be_account=True)
        else:
            cursor.skip()
        cursor.end()

    def _chat(self, cursor: JsonCursor, *, may_be_account: bool = False) -> Iterator[RawMessage]:
        """The messages of the object at the cursor: a chat, or an account, whose lists hold chats."""
        header: dict[str, object] = {}
        for key in cursor.members():
            opening = cursor.peek()
            if key == "messages" and opening == "[":
                yield from self._entries(cursor, header)
            elif may_be_account and key in _LISTS_OF_CHATS and opening == "{":
                yield from self._listed_chats(cursor)
            elif key in _HEADER and opening not in ("{", "["):
                header[key] = cursor.value(MAX_MESSAGE_CHARACTERS)
            else:
                cursor.skip()

    def _listed_chats(self, cursor: JsonCursor) -> Iterator[RawMessage]:
        for key in cursor.members():
            if key != "list" or cursor.peek() != "[":
                cursor.skip()
                continue
            self._holds_chats = True
            for _ in cursor.elements():
                if cursor.peek() == "{":
                    yield from self._chat(cursor)
                else:
                    cursor.skip()

    def _entries(self, cursor: JsonCursor, header: dict[str, object]) -> Iterator[RawMessage]:
        self._holds_chats = True
        self._headers.append(header)
        if self._only_headers:
            cursor.skip()
            return
        chat = self._chat_of(header if header.keys() >= _HEADER else self._whole_header())
        report = self._report
        for entry in cursor.values(MAX_MESSAGE_CHARACTERS, MAX_MESSAGE_DEPTH, report.repairs):
            if not self._has_unix_time and isinstance(entry, dict):
                self._has_unix_time = entry.get("date_unixtime") is not None
                self._has_local_time = self._has_local_time or entry.get("date") is not None
            message = RawMessage(entry, chat, report.messages)
            report.messages += 1
            yield message

    def _whole_header(self) -> dict[str, object]:
        """The header of the chat at hand, from a pass of its own: re-saved files may have it behind the messages."""
        if self._late_headers is None:
            other = _ExportReader(self._path, self._options, ReadingReport(), only_headers=True)
            for _ in other.messages():
                pass
            self._late_headers = other._headers
        return self._late_headers[len(self._headers) - 1]

    def _chat_of(self, header: dict[str, object]) -> Chat:
        chat_id, name, chat_type = header.get("id"), header.get("name"), header.get("type")
        if isinstance(chat_id, bool) or not isinstance(chat_id, int) or not -(1 << 63) <= chat_id < 1 << 63:
            raise TelegramExportError(
                f"{self._path}: a chat has no id, so its messages cannot be told from others; export it with Telegram "
                "Desktop"
            )
        return Chat(chat_id, name if isinstance(name, str) else None, chat_type if isinstance(chat_type, str) else None)

    def _salvage(self, offset: int, error: TelegramExportError) -> None:
        """Note what is lost from the entry at ``offset`` on; refuse the file if unasked, or if it has no chat."""
        if not self._options.salvage or not self._holds_chats:
            raise error from None
        self._report.loss = Loss(offset, self._path.stat().st_size - offset, str(error))

    def _damage(self, damage: JsonDamage) -> TelegramExportError:
        path, size = self._path, self._path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
        if size == 0 or not start:
            return TelegramExportError(f"{path} is empty; export the chat again with Telegram Desktop (format JSON)")
        if start.startswith(b"<"):
            return TelegramExportError(f"{path} is HTML, not JSON; export the chat again and choose the format JSON")
        if start[:1] not in {b"{", b"[", b"\xff", b"\xfe", b"\x00"}:
            return TelegramExportError(
                f"{path} is not JSON (byte 0); name the result.json of a Telegram Desktop export"
            )
        if damage.truncated:
            return TelegramExportError(
                f"{path} ends in the middle, at byte {size:,}: truncated; nothing was imported; {_REMEDY}"
            )
        return TelegramExportError(
            f"{path} is damaged at byte {damage.offset:,} of {size:,}: not valid JSON; nothing was imported; {_REMEDY}"
        )

    def _too_large(self, large: ValueTooLarge) -> TelegramExportError:
        return TelegramExportError(
            f"{self._path}: a message near byte {large.offset:,} is larger than {MAX_MESSAGE_CHARACTERS:,} characters "
            f"or nested deeper than {MAX_MESSAGE_DEPTH}; nothing was imported; {_REMEDY}"
        )
