"""One page of a Telegram HTML export, as a stream of tags, into messages of the form that JSON exports have.

A page is somebody else's HTML: nothing in it is run or loaded, and size and depth of a message are limited. HTML does
not say whether a message was edited, nor who sent it except by name; the entry says so (see `EDITS_UNTOLD`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quantlab_core.alerts.telegram_message import EDITS_UNTOLD, MESSAGE, SERVICE, UNSUPPORTED
from quantlab_core.errors import TelegramExportError

MAX_MESSAGE_CHARS = 1024 * 1024
MAX_DEPTH = 64
END_OF_DATA = "quantlab-end-of-data"
"""Tag that the reader puts behind a page that ends too early: what is open then is not whole."""

_MESSAGE_ID = re.compile(r"message(\S+)")
_REPLY = re.compile(r"#go_to_message(-?\d+)")
_VIA = re.compile(r" via (@\w{3,64})\Z")
_TITLE = re.compile(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d:\d\d:\d\d)(?: UTC(?:([+-]\d\d):(\d\d))?)?", re.ASCII)
_DAY_HEADING = re.compile(
    r"\s*\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4}\s*"
)
# Messages of a group from before it became a supergroup have ids from here downwards; day headings count from -1.
_MIGRATED_IDS_FROM = -500_000_000
_URL = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_NO_LINK = re.compile(r"(?:mailto|tel|javascript):", re.IGNORECASE)
_DELETED = "Deleted Account"
_NOT_SUPPORTED = "This message is not supported by this version of Telegram Desktop"


@dataclass(slots=True)
class Carried:
    """What a message without a heading takes from the one before it."""

    sender: str | None = None
    via_bot: str | None = None
    forwarded_from: str | None = None


@dataclass(slots=True)
class PageMessage:
    """One message of a page: the entry, what its time's tooltip says of the offset, and its buttons' data."""

    entry: dict[str, Any]
    title: str | None = None
    title_offset_minutes: int | None = None
    button_data: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Open:
    """An element that is open: what it is for us, and where its text goes."""

    role: str = ""
    words: list[str] | None = None
    href: str = ""


class PageParser:
    """Target of lxml's HTML parser: takes tags and text, keeps finished messages until somebody takes them."""

    def __init__(self, page: str, carried: Carried) -> None:
        self._page = page
        self._carried = carried
        self._stack: list[_Open] = []
        self._message: _MessageParts | None = None
        self.finished: list[PageMessage] = []
        self.chat_name: str | None = None
        self.other_pages: list[str] = []
        self.is_chat_page = False
        self.unfinished_id: str | None = None
        self.started = 0
        self._ended = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if tag == END_OF_DATA:
            self._cut_off()
        classes = set((attributes.get("class") or "").split())
        parent = self._stack[-1] if self._stack else _Open()
        opened = _Open(words=parent.words)
        if self._message is None:
            self._outside(tag, attributes, classes, opened)
        else:
            self._message.size += sum(map(len, attributes.values())) + 8
            self._inside(self._message, tag, attributes, classes, parent, opened)
        self._stack.append(opened)
        self._guard()

    def end(self, _tag: str) -> None:
        """An element ends."""
        closed = self._stack.pop()
        message = self._message
        if message is None:
            if closed.role == "chat_name" and closed.words is not None:
                self.chat_name = "".join(closed.words).strip() or None
        elif closed.role == "message":
            if not self._ended:
                self._finish(message)
            self._message = None
        elif closed.role == "link" and closed.words is not None:
            message.end_link(closed.href, "".join(closed.words))
        elif closed.role == "button" and closed.words is not None:
            message.end_button(closed.href, "".join(closed.words))

    def data(self, text: str) -> None:
        """Text, in pieces of any length."""
        if self._message is not None:
            self._message.size += len(text)
            self._guard()
        words = self._stack[-1].words if self._stack else None
        if words is not None:
            words.append(text)

    def close(self) -> None:
        """The page is at its end."""

    def _outside(self, tag: str, attributes: Mapping[str, str], classes: set[str], opened: _Open) -> None:
        found = _MESSAGE_ID.fullmatch(attributes.get("id") or "")
        if tag == "div" and "message" in classes and found:
            opened.role, opened.words = "message", None
            self.started += 1
            self._message = _MessageParts(found[1], "service" in classes, "joined" in classes)
            self.is_chat_page = True
        elif "chat_page" in classes or "history" in classes:
            self.is_chat_page = True
        elif classes == {"text", "bold"} and self.chat_name is None:
            opened.role, opened.words = "chat_name", []
        elif tag == "a" and "pagination" in classes:
            self.other_pages.append((attributes.get("href") or "").split("#")[0])

    def _inside(
        self,
        message: _MessageParts,
        tag: str,
        attributes: Mapping[str, str],
        classes: set[str],
        parent: _Open,
        opened: _Open,
    ) -> None:
        href = attributes.get("href") or ""
        if tag == "br":
            if parent.words is not None:
                parent.words.append("\n")
        elif parent.role == "message" and "body" in classes:
            opened.role = "body"
            opened.words = message.action if message.is_service else None
        elif parent.role in {"body", "forwarded"}:
            self._part_of_body(message, attributes, classes, parent, opened)
        elif parent.words is message.sender or parent.words is message.forwarded:
            if tag == "span" and "date" in classes:
                opened.words = None
        elif parent.words is message.words and tag == "a":
            opened.role, opened.words, opened.href = "link", [], href
        elif parent.role in {"reply", "in_reply"}:
            opened.role = "in_reply"
            if found := _REPLY.search(href):
                message.reply_to = int(found[1])
        elif parent.role in {"buttons", "in_buttons"}:
            opened.role = "in_buttons"
            if "bot_button_row" in classes:
                message.buttons.append([])
            elif tag == "a":
                opened.role, opened.words, opened.href = "button", [], href
                message.button_data.append(attributes.get("onclick") or "")

    def _part_of_body(
        self, message: _MessageParts, attributes: Mapping[str, str], classes: set[str], parent: _Open, opened: _Open
    ) -> None:
        if {"pull_right", "date"} <= classes and parent.role == "body":
            message.title, opened.words = attributes.get("title"), None
        elif classes == {"from_name"}:
            opened.words = message.forwarded if parent.role == "forwarded" else message.sender
        elif {"forwarded", "body"} <= classes:
            opened.role, opened.words, message.is_forwarded = "forwarded", None, True
        elif "reply_to" in classes:
            opened.role, opened.words = "reply", None
        elif classes == {"text"}:
            opened.role, opened.words = "text", message.words
        elif "bot_buttons_table" in classes:
            opened.role, opened.words = "buttons", None
        elif message.is_service:
            opened.words = message.action

    def _finish(self, message: _MessageParts) -> None:
        finished = message.finished(self._carried)
        if finished is not None:
            self.finished.append(finished)

    def _cut_off(self) -> None:
        self._ended = True
        self.unfinished_id = None if self._message is None else self._message.message_id

    def _guard(self) -> None:
        size = 0 if self._message is None else self._message.size
        if size > MAX_MESSAGE_CHARS or len(self._stack) > MAX_DEPTH:
            where = "the page" if self._message is None else f"message {self._message.message_id[:40]}"
            raise TelegramExportError(
                f"{self._page}: {where} is larger than {MAX_MESSAGE_CHARS:,} characters or nested deeper than "
                f"{MAX_DEPTH}; nothing was imported; export the chat again"
            )


class _MessageParts:
    """What the tags of one message said so far."""

    def __init__(self, message_id: str, is_service: bool, is_joined: bool) -> None:
        self.message_id = message_id
        self.is_service = is_service
        self.is_joined = is_joined
        self.is_forwarded = False
        self.title: str | None = None
        self.sender: list[str] = []
        self.forwarded: list[str] = []
        self.action: list[str] = []
        self.words: list[str] = []
        self.parts: list[str | dict[str, str]] = []
        self.reply_to: int | None = None
        self.buttons: list[list[dict[str, str]]] = []
        self.button_data: list[str] = []
        self.size = 0

    def end_link(self, href: str, shown: str) -> None:
        """A link's text belongs to the message; its target too where it is another than what is shown."""
        is_mention = shown.startswith("@") and href.endswith(f"/{shown[1:]}")
        if not _URL.match(href) or _NO_LINK.match(href) or href == shown or is_mention:
            self.words.append(shown)
            return
        self._take_words()
        self.parts.append({"type": "text_link", "text": shown, "href": href})

    def end_button(self, href: str, shown: str) -> None:
        """A button; only one that opens an address has a target."""
        if not self.buttons:
            self.buttons.append([])
        kind = {"type": "url", "data": href} if href else {"type": "callback"}
        self.buttons[-1].append({**kind, "text": shown.strip()})

    def finished(self, carried: Carried) -> PageMessage | None:
        """The message, or None for the heading of a day. ``carried`` becomes what the next one may take."""
        action = "".join(self.action).strip()
        number = int(self.message_id) if re.fullmatch(r"-?\d{1,18}", self.message_id, re.ASCII) else None
        entry: dict[str, Any] = {"id": self.message_id if number is None else number, EDITS_UNTOLD: True}
        if self.is_service:
            if number is not None and _MIGRATED_IDS_FROM < number < 0 and _DAY_HEADING.fullmatch(action):
                return None
            return PageMessage(
                entry
                | {"type": UNSUPPORTED if action.startswith(_NOT_SUPPORTED) else SERVICE, "text": "", "action": action}
            )
        found = _TITLE.fullmatch((self.title or "").strip())
        if found:
            day, month, year, time = found.groups()[:4]
            entry["date"] = f"{year}-{month}-{day}T{time}"
        elif self.title is not None:
            entry["date"] = self.title
        entry |= {"type": MESSAGE, **self._people(carried)}
        if self.reply_to is not None:
            entry["reply_to_message_id"] = self.reply_to
        entry["text"] = self._text()
        if self.buttons:
            entry["inline_bot_buttons"] = self.buttons
        return PageMessage(entry, self.title, _offset_minutes(found), self.button_data)

    def _people(self, carried: Carried) -> dict[str, str]:
        sender, via = _name_and_bot("".join(self.sender))
        forwarded, forwarded_via = _name_and_bot("".join(self.forwarded))
        if self.is_joined and not self.sender:
            sender, via = carried.sender, carried.via_bot
        if self.is_forwarded and not self.forwarded:
            forwarded = carried.forwarded_from
        carried.sender, carried.forwarded_from = sender, forwarded if self.is_forwarded else None
        carried.via_bot = via or forwarded_via
        named = {"from": sender, "forwarded_from": forwarded, "via_bot": carried.via_bot}
        return {key: name for key, name in named.items() if name is not None}

    def _take_words(self) -> None:
        if self.words:
            self.parts.append("".join(self.words))
            self.words.clear()

    def _text(self) -> list[str | dict[str, str]]:
        """The parts of the text without the page's own line feeds around it; those of the message are tags."""
        self._take_words()
        parts = self.parts
        if parts and isinstance(parts[0], str):
            parts[0] = parts[0].removeprefix("\n")
        if parts and isinstance(parts[-1], str):
            parts[-1] = re.sub(r"\n *\Z", "", parts[-1])
        return [part for part in parts if part]


def _name_and_bot(heading: str) -> tuple[str | None, str | None]:
    heading = heading.strip()
    via = _VIA.search(heading)
    name = heading[: via.start()].strip() if via else heading
    return (None if name in {"", _DELETED} else name), (via[1] if via else None)


def _offset_minutes(title: re.Match[str] | None) -> int | None:
    if title is None or "UTC" not in title[0]:
        return None
    hours, minutes = int(title[5] or 0), int(title[6] or 0)
    return hours * 60 + (-minutes if (title[5] or "").startswith("-") else minutes)
