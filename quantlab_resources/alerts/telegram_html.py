"""Reading a Telegram Desktop HTML export (the pages of one chat) message by message.

Pages are streamed one after the other: memory holds one message. HTML states less than JSON: no chat id, no zone, no
edits, no sender ids, no time of service messages. What is missing is asked for or left open, never guessed.
"""

from __future__ import annotations

import codecs
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from lxml import etree  # type: ignore[import-untyped]

from quantlab_core.alerts.alert_source import Loss, ReadingReport, ReadOptions
from quantlab_core.alerts.telegram_message import Chat, RawMessage
from quantlab_core.errors import StorageError, TelegramExportError
from quantlab_resources.alerts.export_folder import MAX_PAGE_BYTES, ZIP_HEAD, PageFile, export_file, pages_of
from quantlab_resources.alerts.html_message import END_OF_DATA, Carried, PageMessage, PageParser
from quantlab_resources.alerts.time_zones import time_zone
from quantlab_resources.alerts.title_times import TitleTimes

_BLOCK_BYTES = 65_536
_MARK = b"\xef\xbb\xbf"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MESSAGE_MARK = b'id="message'
_LINKED_CHAT = re.compile(r"//(?:t\.me|telegram\.me)/c/(\d{5,})/\d|\b_?-100(\d{5,})\b")


class TelegramHtml:
    """`quantlab_core.alerts.alert_source.AlertSource` for Telegram Desktop's ``messages.html``."""

    name = "Telegram Desktop HTML"

    def recognises(self, head: bytes) -> bool:
        """HTML, or a ZIP archive of its pages."""
        return head.startswith(ZIP_HEAD) or head.lstrip(_MARK + b" \t\r\n").startswith(b"<")

    def read(self, path: Path, options: ReadOptions, report: ReadingReport) -> Iterator[RawMessage]:
        """Every message of all pages that belong to ``path``, in order; headings of days are no messages.

        Raises TelegramExportError as well when zone or chat id is not named, the zone cannot be right, or a page is
        missing.
        """
        zone = time_zone(options.time_zone)
        if zone is None:
            raise TelegramExportError(
                f"{path} is an HTML export, whose times are local ones: name the time zone of the computer that made "
                "it with --timezone, e.g. Europe/Berlin"
            )
        pages = pages_of(export_file(path))
        if options.chat_id is None:
            raise TelegramExportError(
                f"{path} is an HTML export, which does not say which chat it is: name the chat's id with --chat-id"
                f"{_suggestion(pages)}"
            )
        times, carried, ordinal = TitleTimes(str(path), zone), Carried(), 0
        linked: dict[str, str] = {}
        for page in pages:
            parser = PageParser(_title(path, page), carried)
            for message in _messages(path, page, parser, options, report):
                chat = Chat(options.chat_id, parser.chat_name)
                _compare(times, message)
                yield RawMessage(message.entry, chat, ordinal)
                ordinal += 1
                report.messages = ordinal
            linked |= dict.fromkeys(parser.other_pages, page.name)
        _require_all(path, pages, linked, options, report)
        times.check_stamps()


def _messages(
    path: Path, page: PageFile, parser: PageParser, options: ReadOptions, report: ReadingReport
) -> Iterator[PageMessage]:
    """The messages of one page. Raises TelegramExportError for what is no page, or ends too early."""
    reader = etree.HTMLParser(target=parser, encoding="utf-8")
    size = marked = 0
    tail = before = b""
    try:
        with page.open() as stream:
            for block in _clean_blocks(stream, report.repairs):
                size += len(block)
                if size > MAX_PAGE_BYTES:
                    raise TelegramExportError(
                        f"{_title(path, page)} is larger than {MAX_PAGE_BYTES:,} bytes, which no page of 1,000 "
                        "messages is; nothing was imported; export the chat again"
                    )
                marked += (before + block).count(_MESSAGE_MARK) - before.count(_MESSAGE_MARK)
                before = block[1 - len(_MESSAGE_MARK) :]
                # What may end in the middle of a tag waits: the parser must not see it where the page is cut off.
                cut = block.rfind(b">") + 1
                reader.feed(tail + block[:cut] if cut else b"")
                tail = block[cut:] if cut else tail + block
                yield from _taken(parser)
        if size == 0:
            raise TelegramExportError(f"{_title(path, page)} is empty; export the chat again")
        is_cut_off = not _ends_with_html(page)
        reader.feed(f"<{END_OF_DATA}>".encode() if is_cut_off else tail or b"\n")
        reader.close()
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise TelegramExportError(f"{_title(path, page)} is damaged in the archive ({error}); copy it again") from None
    except OSError as error:
        raise StorageError(f"{_title(path, page)} cannot be read: {error.strerror or error}") from error
    if not parser.is_chat_page:
        raise TelegramExportError(
            f"{_title(path, page)} is HTML but no page of a chat's export; name the messages.html of one"
        )
    if is_cut_off:
        _cut_off(path, page, parser, size, options, report)
    elif parser.started < marked:
        _garbled(path, page, marked - parser.started, options, report)
    yield from _taken(parser)


def _taken(parser: PageParser) -> list[PageMessage]:
    taken, parser.finished = parser.finished, []
    return taken


def _clean_blocks(stream: BinaryIO, repairs: Counter[str]) -> Iterator[bytes]:
    """The page as UTF-8 that is valid and without null characters; what had to be replaced is counted."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    ended = False
    while not ended:
        piece = stream.read(_BLOCK_BYTES)
        ended = not piece
        text = decoder.decode(piece, final=ended).replace("\x00", _REPLACEMENT)
        if _REPLACEMENT in text:
            repairs["bad_bytes"] += max(text.count(_REPLACEMENT) - piece.count(_REPLACEMENT.encode()), 0)
        if text:
            yield text.encode()


def _compare(times: TitleTimes, message: PageMessage) -> None:
    if message.title_offset_minutes is None and not message.button_data:
        return
    try:
        local = datetime.fromisoformat(str(message.entry.get("date")))
    except ValueError:
        return
    if local.tzinfo is None:
        times.check_offset(message.title or "", local, message.title_offset_minutes)
        if message.button_data:
            times.note_stamps(local, message.button_data)


def _ends_with_html(page: PageFile) -> bool:
    with page.open() as stream:
        end = b""
        while block := stream.read(_BLOCK_BYTES):
            end = (end + block)[-512:]
    return b"</html>" in end.lower()


def _cut_off(
    path: Path, page: PageFile, parser: PageParser, size: int, options: ReadOptions, report: ReadingReport
) -> None:
    """A page that ends in the middle is refused; if salvage was asked for, what is open there is lost and reported."""
    title = _title(path, page)
    if not options.salvage:
        raise TelegramExportError(
            f"{title} ends in the middle, at byte {size:,}: truncated; nothing was imported; copy or export it again, "
            "or read its whole messages with --salvage"
        )
    start = size if parser.unfinished_id is None else _start_of(page, parser.unfinished_id, size)
    report.loss = Loss(start, size - start, f"{title} ends in the middle of a message or before its end")


def _garbled(path: Path, page: PageFile, lost: int, options: ReadOptions, report: ReadingReport) -> None:
    """A page whose tags hide messages is refused; the exporter never writes its marks into a message's text."""
    reason = f"{_title(path, page)}: its tags are damaged, {lost} of its messages cannot be told apart"
    if not options.salvage:
        raise TelegramExportError(
            f"{reason}; nothing was imported; copy or export it again, or read the others with --salvage"
        )
    report.loss = Loss(0, 0, reason)


def _start_of(page: PageFile, message_id: str, size: int) -> int:
    """Where the last message begins, by its id; within the last MiB, since no message is longer."""
    with page.open() as stream:
        content = stream.read(MAX_PAGE_BYTES)
    found = content.rfind(f'id="message{message_id}"'.encode())
    start = content.rfind(b"<div", 0, found) if found >= 0 else -1
    return start if start >= 0 else size


def _require_all(
    path: Path, pages: list[PageFile], linked: dict[str, str], options: ReadOptions, report: ReadingReport
) -> None:
    """A page that another one leads to must be there: else its messages would be lost without a word."""
    present = {page.name for page in pages}
    missing = sorted(name for name in linked if name and name not in present)
    if not missing:
        return
    reason = f"{linked[missing[0]]} leads to {missing[0]}, which is not there"
    if not options.salvage:
        raise TelegramExportError(
            f"{path}: {reason}; nothing was imported; name a folder with all pages, or read those that are there "
            "with --salvage"
        )
    if report.loss is None:
        report.loss = Loss(0, 0, reason)


def _suggestion(pages: list[PageFile]) -> str:
    """Ids of chats in links of the first page: often the chat itself, but that is for the user to say."""
    with pages[0].open() as stream:
        text = stream.read(4 * _BLOCK_BYTES * 4).decode("utf-8", "replace")
    found = Counter(first or second for first, second in _LINKED_CHAT.findall(text))
    if not found:
        return " (a JSON export of the chat has it as id)"
    return f" (its links speak of {', '.join(chat for chat, _ in found.most_common(3))})"


def _title(path: Path, page: PageFile) -> str:
    return str(page.holder) if page.member is None else f"{path}/{page.name}"
