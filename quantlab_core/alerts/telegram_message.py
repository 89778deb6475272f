"""A Telegram message in normal form, from the JSON object that Telegram Desktop exports.

Old, odd and damaged messages are expected: text as string or list, ids as text, missing senders, wrong types. What
cannot be placed (no id, no time) comes back as `UnreadableMessage` with its quarantine rule; nothing here raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import sha256
from json.encoder import encode_basestring
from typing import NamedTuple, TypeGuard

from quantlab_core.alerts.local_times import edited_by_local_date, sent_by_local_date, unix_time, utc_text

MESSAGE = "message"
SERVICE = "service"
UNSUPPORTED = "unsupported"

_INT64 = 1 << 63
_SURELY_INT64 = 19  # so many digits may be more than 64 bits hold
_OLD_USER_IDS = 1 << 32

_NO_ID = ("no_message_id", "the message has no id")

EDITS_UNTOLD = "edits_untold"
"""Key of an entry whose export does not say whether a message was edited, as HTML does not; see `edits_are_told`."""
_UNTOLD = "untold-"


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat that an export holds: bare id, title and Telegram Desktop's type (``private_supergroup``, …)."""

    chat_id: int
    name: str | None = None
    type: str | None = None


class RawMessage(NamedTuple):
    """One entry of an export's ``messages`` as it was read: any JSON value, its chat and its position in the export.

    This and `TelegramMessage` are tuples because exports have a million of them, and tuples are made much faster.
    """

    payload: object
    chat: Chat
    ordinal: int


class TelegramMessage(NamedTuple):
    """One version of a message, a row of ``telegram_messages_v1``: its columns in order. Times are UTC."""

    sent_ts: datetime
    chat_id: int
    chat_name: str | None
    message_id: int
    content_id: str
    message_type: str
    edited_ts: datetime | None
    sender_id: str | None
    sender_name: str | None
    forwarded_from: str | None
    via_bot: str | None
    reply_to_message_id: int | None
    text: str
    links: tuple[str, ...]
    ordinal: int

    @property
    def is_known_unedited(self) -> bool:
        """Whether the export says that this message was never edited."""
        return self.edited_ts is None and edits_are_told(self.content_id)


@dataclass(frozen=True, slots=True)
class UnreadableMessage:
    """An entry without id or time. ``kind`` is ``unsupported`` or ``service`` where Telegram exported nothing else."""

    kind: str
    rule_id: str
    reason: str
    chat_id: int
    message_id: int | None
    sent_ts: datetime | None
    ordinal: int


def normalise_message(
    raw: object, *, chat: Chat, ordinal: int, time_zone: tzinfo | None = None
) -> TelegramMessage | UnreadableMessage:
    """The message in normal form. ``raw`` is one entry of ``messages``, of any type and shape.

    A message without ``date_unixtime`` is placed by its local ``date`` in ``time_zone``, where one is given. A local
    time that the zone has twice (clocks set back) or never (set forward) places nothing: such a message is unreadable.

    ``content_id`` covers what was said, when, by whom (id) and in answer to what; it leaves out the position in the
    export and names that people change, so that an equal re-export has equal ids and an edit has another.
    """
    if not _is_object(raw):
        return UnreadableMessage(
            "unreadable", "not_an_object", "the entry is not a JSON object", chat.chat_id, None, None, ordinal
        )
    message_id, message_type = _integer(raw.get("id")), _message_type(raw.get("type"))
    sent_ts = _sent_time(raw, time_zone)
    if message_id is None or isinstance(sent_ts, tuple):
        rule_id, reason = sent_ts if message_id is not None and isinstance(sent_ts, tuple) else _NO_ID
        known = None if isinstance(sent_ts, tuple) else sent_ts
        kind = "unreadable" if message_type == MESSAGE else message_type
        return UnreadableMessage(kind, rule_id, reason, chat.chat_id, message_id, known, ordinal)
    text, links = _text_and_links(raw.get("text"))
    if "inline_bot_buttons" in raw:
        links = (*links, *_button_links(raw["inline_bot_buttons"]))
    is_edit_told = "edited_unixtime" in raw or time_zone is not None
    edited_ts = _edit_time(raw, time_zone) if is_edit_told else None
    sender_id = _sender_id(raw["from_id"] if "from_id" in raw else raw.get("actor_id"))
    forwarded_from = _optional_text(raw.get("forwarded_from"))
    via_bot = _optional_text(raw.get("via_bot"))
    reply_to = _integer(raw.get("reply_to_message_id"))
    content_id = _content_id(
        sent_ts, message_type, edited_ts, sender_id, forwarded_from, via_bot, reply_to, text, links
    )
    return TelegramMessage(
        sent_ts,
        chat.chat_id,
        _optional_text(chat.name),
        message_id,
        f"{_UNTOLD}{content_id}" if raw.get(EDITS_UNTOLD) is True else content_id,
        message_type,
        edited_ts,
        sender_id,
        _optional_text(raw["from"] if "from" in raw else raw.get("actor")),
        forwarded_from,
        via_bot,
        reply_to,
        text,
        links,
        ordinal,
    )


def edits_are_told(content_id: str) -> bool:
    """Whether the export of this version says if and when the message was edited."""
    return not content_id.startswith(_UNTOLD)


def payload_json(raw: object) -> str:
    """The entry as JSON text for the quarantine; what JSON cannot hold (a decimal of 400 digits) becomes text."""
    return _clean(json.dumps(raw, ensure_ascii=False, default=str))


def _content_id(
    sent_ts: datetime,
    message_type: str,
    edited_ts: datetime | None,
    sender_id: str | None,
    forwarded_from: str | None,
    via_bot: str | None,
    reply_to: int | None,
    text: str,
    links: tuple[str, ...],
) -> str:
    """Of the content as one compact JSON array; written out here because `json.dumps` takes several times as long."""
    edited = "null" if edited_ts is None else f'"{edited_ts.isoformat()}"'
    canonical = (
        f'["{utc_text(sent_ts)}","{message_type}",{edited},'
        f"{'null' if sender_id is None else encode_basestring(sender_id)},"
        f"{'null' if forwarded_from is None else encode_basestring(forwarded_from)},"
        f"{'null' if via_bot is None else encode_basestring(via_bot)},"
        f"{'null' if reply_to is None else reply_to},{encode_basestring(text)},"
        f"[{','.join(map(encode_basestring, links)) if links else ''}]]"
    )
    return sha256(canonical.encode()).hexdigest()[:16]


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _message_type(value: object) -> str:
    return value if isinstance(value, str) and value in {MESSAGE, SERVICE} else UNSUPPORTED


def _integer(value: object) -> int | None:
    """An id: an integer, or its decimal text. Booleans and numbers beyond 64 bits are none."""
    if type(value) is int:  # almost always
        return value if -_INT64 <= value < _INT64 else None
    if value is None:
        return None
    if isinstance(value, str):
        if len(value) < _SURELY_INT64 and value.isdecimal():
            return int(value)
        digits = value.strip()
        value = int(digits) if len(digits) < 20 and digits.removeprefix("-").isdecimal() else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if -_INT64 <= value < _INT64 else None


def _sent_time(raw: Mapping[str, object], zone: tzinfo | None) -> datetime | tuple[str, str]:
    """When the message was sent, or the quarantine rule and reason why that is not known."""
    stated = raw.get("date_unixtime")
    if stated is None:
        return sent_by_local_date(raw.get("date"), zone)
    return unix_time(_integer(stated)) or (
        "bad_date",
        f"date_unixtime {str(stated)[:40]!r} is not a time between 2013 and 2100",
    )


def _edit_time(raw: Mapping[str, object], zone: tzinfo | None) -> datetime | None:
    if "edited_unixtime" in raw:
        return unix_time(_integer(raw["edited_unixtime"]))
    return None if zone is None else edited_by_local_date(raw.get("edited"), zone)


def _sender_id(value: object) -> str | None:
    """``user4002``. Old exports wrote bare integers: those below 2**32 are users, others stay as they are."""
    if isinstance(value, str):
        return _optional_text(value)
    number = _integer(value)
    if number is None:
        return None
    return f"user{number}" if 0 < number < _OLD_USER_IDS else str(number)


def _optional_text(value: object) -> str | None:
    if value is None or not isinstance(value, str) or not value:
        return None
    return value if value.isascii() else _clean(value)


def _clean(text: str) -> str:
    """The text with lone surrogates replaced: they have no UTF-8 form."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _text_and_links(value: object) -> tuple[str, tuple[str, ...]]:
    """The joined text and the targets of its hidden links. A part is a string or ``{type, text, href}``."""
    if isinstance(value, str):
        return _clean(value), ()
    parts: list[str] = []
    links: list[str] = []
    for part in value if isinstance(value, list) else (value,):
        if isinstance(part, str):
            parts.append(part)
        elif _is_object(part):
            shown, target = part.get("text"), part.get("href")
            if isinstance(shown, str):
                parts.append(shown)
            if isinstance(target, str) and target and target != shown:
                links.append(_clean(target))
    return _clean("".join(parts)), tuple(links)


def _button_links(value: object) -> Iterator[str]:
    for row in value if isinstance(value, list) else []:
        for button in row if isinstance(row, list) else []:
            if _is_object(button) and button.get("type") in ("url", "login_url"):
                target = button.get("data", button.get("url"))
                if isinstance(target, str) and target:
                    yield _clean(target)
