"""A Telegram message in normal form, from the JSON object that Telegram Desktop exports.

Old, odd and damaged messages are expected: text as string or list, ids as text, missing senders, wrong types. What
cannot be placed (no id, no time) comes back as `UnreadableMessage` with its quarantine rule; nothing here raises.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeGuard

MESSAGE = "message"
SERVICE = "service"
UNSUPPORTED = "unsupported"

_EARLIEST_UNIX = 1_376_438_400  # 2013-08-14, the day Telegram was released
_LATEST_UNIX = 4_102_444_800  # 2100-01-01
_INT64 = 1 << 63
_OLD_USER_IDS = 1 << 32
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)

EDITS_UNTOLD = "edits_untold"
"""Key of an entry whose export does not say whether a message was edited, as HTML does not; see `edits_are_told`."""
_UNTOLD = "untold-"

UNDATED = ("undated", "the message has no date_unixtime, and its local date names no time zone")


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat that an export holds: bare id, title and Telegram Desktop's type (``private_supergroup``, …)."""

    chat_id: int
    name: str | None = None
    type: str | None = None


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One entry of an export's ``messages`` as it was read: any JSON value, its chat and its position in the export."""

    payload: object
    chat: Chat
    ordinal: int


@dataclass(frozen=True, slots=True)
class TelegramMessage:
    """One version of a message; the fields are the columns of ``telegram_messages_v1`` in order. Times are UTC."""

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
    message_id, sent_ts = _integer(raw.get("id")), _unix_time(raw.get("date_unixtime"))
    refused: tuple[str, str] | None = None
    if sent_ts is None:
        sent_ts, refused = _sent_by_local_date(raw, time_zone)
    message_type = _message_type(raw.get("type"))

    def unreadable(rule_id: str, reason: str) -> UnreadableMessage:
        kind = "unreadable" if message_type == MESSAGE else message_type
        return UnreadableMessage(kind, rule_id, reason, chat.chat_id, message_id, sent_ts, ordinal)

    if message_id is None:
        return unreadable("no_message_id", "the message has no id")
    if sent_ts is None:
        return unreadable(*(refused or UNDATED))

    text, text_links = _text_and_links(raw.get("text"))
    links = (*text_links, *_button_links(raw.get("inline_bot_buttons")))
    fields = (
        message_type,
        _unix_time(raw.get("edited_unixtime")) or _edited_by_local_date(raw, time_zone),
        _sender_id(raw.get("from_id", raw.get("actor_id"))),
        _optional_text(raw.get("forwarded_from")),
        _optional_text(raw.get("via_bot")),
        _integer(raw.get("reply_to_message_id")),
    )
    message_type, edited_ts, sender_id, forwarded_from, via_bot, reply_to = fields
    content_id = _content_id(sent_ts, *fields, text, list(links))
    return TelegramMessage(
        sent_ts=sent_ts,
        chat_id=chat.chat_id,
        chat_name=_optional_text(chat.name),
        message_id=message_id,
        content_id=f"{_UNTOLD}{content_id}" if raw.get(EDITS_UNTOLD) is True else content_id,
        message_type=message_type,
        edited_ts=edited_ts,
        sender_id=sender_id,
        sender_name=_optional_text(raw.get("from", raw.get("actor"))),
        forwarded_from=forwarded_from,
        via_bot=via_bot,
        reply_to_message_id=reply_to,
        text=text,
        links=links,
        ordinal=ordinal,
    )


def edits_are_told(content_id: str) -> bool:
    """Whether the export of this version says if and when the message was edited."""
    return not content_id.startswith(_UNTOLD)


def payload_json(raw: object) -> str:
    """The entry as JSON text for the quarantine; what JSON cannot hold (a decimal of 400 digits) becomes text."""
    return _clean(json.dumps(raw, ensure_ascii=False, default=str))


def _content_id(*content: object) -> str:
    canonical = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=_time_text)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _time_text(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"no canonical form for {type(value).__name__}")
    return value.isoformat()


def _is_object(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _message_type(value: object) -> str:
    return value if isinstance(value, str) and value in {MESSAGE, SERVICE} else UNSUPPORTED


def _integer(value: object) -> int | None:
    """An id: an integer, or its decimal text. Booleans and numbers beyond 64 bits are none."""
    if isinstance(value, str):
        digits = value.strip()
        value = int(digits) if len(digits) < 20 and digits.removeprefix("-").isdecimal() else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -_INT64 <= value < _INT64 else None


def _unix_time(value: object) -> datetime | None:
    seconds = _integer(value)
    if seconds is None or not _EARLIEST_UNIX <= seconds < _LATEST_UNIX:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _sent_by_local_date(
    raw: Mapping[str, object], zone: tzinfo | None
) -> tuple[datetime | None, tuple[str, str] | None]:
    """The time of a message without usable unix time, or the rule and reason why it has none."""
    stated = raw.get("date_unixtime")
    if stated is not None:
        return None, ("bad_date", f"date_unixtime {str(stated)[:40]!r} is not a time between 2013 and 2100")
    if zone is None or raw.get("date") is None:
        return None, UNDATED
    local = _local_time(raw["date"])
    if local is None:
        return None, ("bad_date", f"date {str(raw['date'])[:40]!r} is not a local time like 2021-05-01T18:30:00")
    earlier, later = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    if earlier > later:
        return None, ("ambiguous_local_time", f"the clocks of {zone} showed {local.isoformat()} twice")
    if earlier < later:
        return None, ("nonexistent_local_time", f"the clocks of {zone} never showed {local.isoformat()}")
    stated = f"date {raw['date']!r} is not between 2013 and 2100"
    return _kept_time(local.replace(tzinfo=UTC) - earlier), ("bad_date", stated)


def _edited_by_local_date(raw: Mapping[str, object], zone: tzinfo | None) -> datetime | None:
    """The time of an edit that only has a local one. Of two possible times it is the later: it never hides an edit."""
    local = None if zone is None or "edited_unixtime" in raw else _local_time(raw.get("edited"))
    if local is None or zone is None:
        return None
    offsets = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return _kept_time(local.replace(tzinfo=UTC) - min(offsets))


def _local_time(value: object) -> datetime | None:
    """A local time to the second, as Telegram Desktop writes it; anything else (a zone in it, only a day) is none."""
    if not isinstance(value, str) or not _LOCAL_TIME.fullmatch(value):
        return None
    try:
        local = datetime.fromisoformat(value)
    except ValueError:
        return None
    return local if 2013 <= local.year < 2101 else None


def _kept_time(time: datetime) -> datetime | None:
    return time if _EARLIEST_UNIX <= time.timestamp() < _LATEST_UNIX else None


def _sender_id(value: object) -> str | None:
    """``user4002``. Old exports wrote bare integers: those below 2**32 are users, others stay as they are."""
    number = None if isinstance(value, str) else _integer(value)
    if number is not None:
        return f"user{number}" if 0 < number < _OLD_USER_IDS else str(number)
    return _optional_text(value)


def _optional_text(value: object) -> str | None:
    return _clean(value) if isinstance(value, str) and value else None


def _clean(text: str) -> str:
    """The text with lone surrogates replaced: they have no UTF-8 form."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text_and_links(value: object) -> tuple[str, tuple[str, ...]]:
    """The joined text and the targets of its hidden links. A part is a string or ``{type, text, href}``."""
    parts: list[str] = []
    links: list[str] = []
    for part in value if isinstance(value, list) else [value]:
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
            if _is_object(button) and button.get("type") in {"url", "login_url"}:
                target = button.get("data", button.get("url"))
                if isinstance(target, str) and target:
                    yield _clean(target)
