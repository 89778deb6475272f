"""Reading a Telegram Desktop JSON export (one chat, or a whole account) message by message.

The file is streamed: memory holds one message, not the export. Reading stops with an error at the first damage, so a
caller builds everything before it publishes anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson  # type: ignore[import-untyped]

from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.telegram_message import Chat, RawMessage
from quantlab_core.errors import NotFoundError, StorageError, TelegramExportError
from quantlab_resources.alerts.export_text import ExportText

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_MESSAGE_DEPTH = 64
_BUFFER_BYTES = 65_536
JSONError: type[Exception] = ijson.JSONError

# Where chats stand in an export: at the root of a single chat's, in two lists of an account's.
_CHATS = ("", "chats.list.item", "left_chats.list.item")
_LISTS = frozenset({"chats.list", "left_chats.list"})
_MESSAGES = frozenset(f"{chat}.messages".lstrip(".") for chat in _CHATS)
_MESSAGE = frozenset(f"{messages}.item" for messages in _MESSAGES)
_HEADER = {f"{chat}.{key}".lstrip("."): key for chat in _CHATS for key in ("id", "name", "type")}


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

    ``report`` counts what was mended. Raises NotFoundError if there is no
    file, StorageError if it cannot be read, and TelegramExportError, possibly after some messages, if it is no
    Telegram export or is damaged; the message has the byte offset.
    """
    options = ReadOptions() if options is None else options
    counted = (ReadingReport() if report is None else report).repairs
    try:
        with path.open("rb") as stream:
            text = ExportText(stream, str(path), counted)
            try:
                yield from _read_messages(path, text, counted)
            except JSONError as error:
                raise _damage(path, error) from None
    except FileNotFoundError:
        raise NotFoundError(f"{path} not found; name the result.json of a Telegram Desktop export") from None
    except IsADirectoryError:
        raise TelegramExportError(f"{path} is a folder; name the result.json in it") from None
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror or error}") from error


def _read_messages(path: Path, text: ExportText, repairs: Counter[str]) -> Iterator[RawMessage]:
    header: dict[str, object] = {}
    late_headers: list[dict[str, object]] | None = None
    builder: _MessageBuilder | None = None
    chat = Chat(0)
    chats_seen = ordinal = 0
    holds_chats = False
    for prefix, event, value in ijson.parse(text, buf_size=_BUFFER_BYTES):
        text.saw_event = True
        if builder is None and prefix in _MESSAGE and event != "end_array":
            builder = _MessageBuilder(path, text, repairs)
        if builder is not None:
            builder.event(event, value)
            if builder.is_complete:
                yield RawMessage(builder.value, chat, ordinal)
                ordinal += 1
                builder = None
        elif prefix in _HEADER and event in {"string", "number"}:
            header[_HEADER[prefix]] = value
        elif event == "start_map" and prefix in _CHATS:
            header = {}
        elif event == "start_array" and prefix in _MESSAGES:
            if not {"id", "name", "type"} <= header.keys():
                late_headers = _all_headers(path) if late_headers is None else late_headers
                header = late_headers[chats_seen]
            chat = _chat_of(header, path)
            chats_seen, holds_chats = chats_seen + 1, True
        elif event == "start_array" and prefix in _LISTS:
            holds_chats = True
    if not holds_chats:
        raise TelegramExportError(
            f"{path} is JSON but not a Telegram export (no messages); name the result.json of one"
        )


def _all_headers(path: Path) -> list[dict[str, object]]:
    """The headers of all chats with messages, from a pass of its own: re-saved files may write the id after them."""
    header: dict[str, object] = {}
    headers: list[dict[str, object]] = []
    with path.open("rb") as stream:
        text = ExportText(stream, str(path), Counter())
        for prefix, event, value in ijson.parse(text, buf_size=_BUFFER_BYTES):
            text.saw_event = True
            if event == "start_map" and prefix in _CHATS:
                header = {}
            elif event == "start_array" and prefix in _MESSAGES:
                headers.append(header)
            elif prefix in _HEADER and event in {"string", "number"}:
                header[_HEADER[prefix]] = value
    return headers


def _chat_of(header: dict[str, object], path: Path) -> Chat:
    chat_id, name, chat_type = header.get("id"), header.get("name"), header.get("type")
    if not isinstance(chat_id, int) or not -(1 << 63) <= chat_id < 1 << 63:
        raise TelegramExportError(
            f"{path}: a chat has no id, so its messages cannot be told from others; export it with Telegram Desktop"
        )
    return Chat(chat_id, name if isinstance(name, str) else None, chat_type if isinstance(chat_type, str) else None)


class _MessageBuilder:
    """One entry of ``messages`` from parser events, within limits of depth and size."""

    def __init__(self, path: Path, text: ExportText, repairs: Counter[str]) -> None:
        self._path = path
        self._text = text
        self._repairs = repairs
        self._stack: list[dict[str, Any] | list[Any]] = []
        self._keys: list[str] = []
        self._size = 0
        self.value: object = None
        self.is_complete = False

    def event(self, event: str, value: Any) -> None:
        if event == "map_key":
            self._keys[-1] = value
        elif event in {"end_map", "end_array"}:
            self._stack.pop()
            self._keys.pop()
            self.is_complete = not self._stack
        else:
            opened: dict[str, Any] | list[Any] | None = None
            if event in {"start_map", "start_array"}:
                opened = {} if event == "start_map" else []
            self._add(value if opened is None else opened)
            if opened is not None:
                self._stack.append(opened)
                self._keys.append("")
            self.is_complete = not self._stack
        self._size += len(value) + 8 if isinstance(value, str) else 8
        if self._size > MAX_MESSAGE_BYTES or len(self._stack) > MAX_MESSAGE_DEPTH:
            raise TelegramExportError(
                f"{self._path}: a message near byte {self._text.position:,} is larger than {MAX_MESSAGE_BYTES:,} bytes "
                f"or nested deeper than {MAX_MESSAGE_DEPTH}; nothing was imported; export the chat again"
            )

    def _add(self, value: Any) -> None:
        if not self._stack:
            self.value = value
            return
        parent = self._stack[-1]
        if isinstance(parent, list):
            parent.append(value)
            return
        key = self._keys[-1]
        if key in parent:
            self._repairs["duplicate_keys"] += 1
            if value in ("", None):  # a gift's service message repeats "text", the second time empty
                return
        parent[key] = value


def _damage(path: Path, error: Exception) -> TelegramExportError:
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n")
    if size == 0 or not start:
        return TelegramExportError(f"{path} is empty; export the chat again with Telegram Desktop (format JSON)")
    if start.startswith(b"<"):
        return TelegramExportError(f"{path} is HTML, not JSON; export the chat again and choose the format JSON")
    if start[:1] not in {b"{", b"[", b"\xff", b"\xfe", b"\x00"}:
        return TelegramExportError(f"{path} is not JSON (byte 0); name the result.json of a Telegram Desktop export")
    if "premature EOF" in str(error):
        return TelegramExportError(
            f"{path} ends in the middle, at byte {size:,}: truncated; nothing was imported; copy or export it again"
        )
    return TelegramExportError(
        f"{path} is damaged at byte {_damage_offset(path):,} of {size:,}: not valid JSON; nothing was imported; "
        "export it again"
    )


def _damage_offset(path: Path) -> int:
    """Where the parser gives up, in source bytes: found by parsing again, the failing piece byte by byte."""
    failing = _pieces_before_error(path, 0)
    return _pieces_before_error(path, failing) if failing else 0


def _pieces_before_error(path: Path, byte_wise_from: int) -> int:
    """Number of the piece that fails (from 1), or, if ``byte_wise_from`` names it, its bad byte's offset."""
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    with path.open("rb") as stream:
        text = ExportText(stream, str(path), Counter())
        number, start = 0, text.position
        while piece := text.read(_BUFFER_BYTES):
            text.saw_event = True
            number += 1
            step = 1 if number == byte_wise_from else len(piece)
            for offset in range(0, len(piece), step):
                try:
                    parser.send(piece[offset : offset + step])
                except JSONError:
                    return number if step > 1 else start + text.source_length(piece[:offset].decode("utf-8", "ignore"))
            events.clear()
            start = text.position
    return 0
