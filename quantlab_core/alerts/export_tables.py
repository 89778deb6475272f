"""The three tables of one Telegram export: its messages, what became of each, and what was rejected.

Conservation: every entry of the export has exactly one disposition, so entries = events + non-alerts + quarantined +
duplicates. The quarantine holds exactly the entries whose disposition is ``quarantined``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.alerts.artifact_types import ALERTS_QUARANTINE, MESSAGE_DISPOSITIONS, TELEGRAM_MESSAGES
from quantlab_core.alerts.classification import RULE_VERSIONS, Classification, classify
from quantlab_core.alerts.message_kinds import DUPLICATE, EVENT, NON_ALERT, QUARANTINED, UNREADABLE
from quantlab_core.alerts.table_rows import TableRows
from quantlab_core.alerts.telegram_message import (
    SERVICE,
    UNSUPPORTED,
    RawMessage,
    TelegramMessage,
    UnreadableMessage,
    normalise_message,
    payload_json,
)

FIRST_DAY = date(2018, 1, 1)
OUTSIDE_DAYS = "outside_days"
_ENTRY = ("ordinal", "chat_id", "message_id", "sent_ts")
_FATE = ("disposition", "kind", "rule_id", "tokens")
_LOWEST_ID = -(1 << 63) - 1
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExportTables:
    """Tables in the schemas of ``telegram_messages_v1``, ``message_dispositions_v1`` and ``alerts_quarantine``."""

    messages: pa.Table
    dispositions: pa.Table
    quarantine: pa.Table


def export_tables(
    raw_messages: Iterable[RawMessage],
    *,
    time_zone: tzinfo | None = None,
    first_day: date = FIRST_DAY,
    last_day: date | None = None,
) -> ExportTables:
    """The tables of one export, from its entries in any order.

    ``time_zone`` places messages that state a local time only, as `normalise_message` says.

    Messages sent before ``first_day`` or after ``last_day`` (UTC days, inclusive; None is no limit) have no partition
    and are quarantined. An entry that equals an earlier one of the same export (chat, id, content) is a duplicate.
    Errors of the reader pass through before any table exists.
    """
    messages, quarantine = TableRows(TELEGRAM_MESSAGES), TableRows(ALERTS_QUARANTINE)
    # Which entry a disposition is of stands in the messages, where it became one; only the others are kept here.
    dispositions, others = TableRows(MESSAGE_DISPOSITIONS, _ENTRY), TableRows(MESSAGE_DISPOSITIONS, _FATE)
    places_of_others = array("q")
    earliest = datetime.combine(first_day, time(), UTC)
    end = _END_OF_TIME if last_day is None else datetime.combine(last_day, time(), UTC) + timedelta(days=1)
    highest: dict[int, int] = {}  # message id by chat: while ids only grow, as in whole exports, none comes again
    may_repeat = False
    count = 0
    for payload, chat, ordinal in raw_messages:
        message = normalise_message(payload, chat=chat, ordinal=ordinal, time_zone=time_zone)
        verdict = _verdict(message, earliest, end)
        chat_id, message_id, sent_ts = message.chat_id, message.message_id, message.sent_ts
        kind, rule_id, calls = verdict.kind, verdict.rule_id, len(verdict.calls)
        if isinstance(message, TelegramMessage) and rule_id != OUTSIDE_DAYS:
            messages.append(message)
            if message.message_id > highest.get(chat_id, _LOWEST_ID):
                highest[chat_id] = message.message_id
            else:
                may_repeat = True
        else:
            others.append((ordinal, chat_id, message_id, sent_ts))
            places_of_others.append(count)
        count += 1
        if rule_id is None:
            dispositions.append((EVENT if verdict.is_alert else NON_ALERT, kind, None, calls))
        else:
            dispositions.append((QUARANTINED, kind, rule_id, 0))
            rejected = (rule_id, RULE_VERSIONS[rule_id], verdict.reason, payload_json(payload))
            quarantine.append((ordinal, chat_id, message_id, sent_ts, *rejected))
    order = _order_of_entries(np.array(places_of_others), count)
    for name in _ENTRY:
        dispositions.give(name, _entries(messages.column(name), others.column(name), order))
    repeated = _repeated(messages) if may_repeat else np.empty(0, dtype=np.int64)
    if not len(repeated):
        return ExportTables(messages.table(), dispositions.table(), quarantine.table())
    ordinals = messages.column("ordinal").to_numpy()[repeated]
    _mark_as_duplicates(dispositions, ordinals)
    rejected_again = np.flatnonzero(np.isin(quarantine.column("ordinal").to_numpy(), ordinals))
    return ExportTables(messages.table(repeated), dispositions.table(), quarantine.table(rejected_again))


def _order_of_entries(places_of_others: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64] | None:
    """Where each entry stands, if the messages come first and then the others; None where there are no others."""
    if not len(places_of_others):
        return None
    is_other = np.zeros(count, dtype=np.bool_)
    is_other[places_of_others] = True
    order = np.empty(count, dtype=np.int64)
    order[~is_other] = np.arange(count - len(places_of_others))
    order[is_other] = np.arange(count - len(places_of_others), count)
    return order


def _entries(
    messages: pa.ChunkedArray[Any], others: pa.ChunkedArray[Any], order: npt.NDArray[np.int64] | None
) -> pa.ChunkedArray[Any]:
    return messages if order is None else pa.chunked_array([*messages.chunks, *others.chunks]).take(order)


def _repeated(messages: TableRows) -> npt.NDArray[np.int64]:
    """Places of the messages that equal an earlier one in chat, id and content.

    Found at the end, over columns: a set of all versions seen would be the largest thing in memory.
    """
    chats, numbers = (messages.column(name).to_numpy() for name in ("chat_id", "message_id"))
    order = np.lexsort((numbers, chats))
    equals_next = (np.diff(chats[order]) == 0) & (np.diff(numbers[order]) == 0)
    of_repeated_id = np.zeros(len(order), dtype=np.bool_)
    of_repeated_id[1:] |= equals_next
    of_repeated_id[:-1] |= equals_next
    suspects = np.sort(order[of_repeated_id])
    if not len(suspects):
        return suspects
    contents = messages.column("content_id").take(suspects).to_pylist()
    codes = np.unique(np.array(contents), return_inverse=True)[1]
    order = np.lexsort((codes, numbers[suspects], chats[suspects]))  # stable: equal ones stay in the order they came in
    parts = (codes[order], numbers[suspects][order], chats[suspects][order])
    equals_earlier = np.logical_and.reduce([np.diff(part) == 0 for part in parts])
    return np.sort(suspects[order[1:][equals_earlier]])


def _mark_as_duplicates(dispositions: TableRows, ordinals: npt.NDArray[np.int64]) -> None:
    repeated = pa.array(np.isin(dispositions.column("ordinal").to_numpy(), ordinals))
    for name, value in (("disposition", DUPLICATE), ("rule_id", None), ("tokens", 0)):
        column = dispositions.column(name)
        marked = pc.if_else(repeated, pa.scalar(value, column.type), column.combine_chunks())
        dispositions.give(name, pa.chunked_array([marked]))


def _verdict(message: TelegramMessage | UnreadableMessage, earliest: datetime, end: datetime) -> Classification:
    if isinstance(message, UnreadableMessage):
        if message.kind in {SERVICE, UNSUPPORTED}:  # no alert in any case; HTML gives them no time of their own
            return Classification(message.kind)
        return Classification(message.kind, rule_id=message.rule_id, reason=message.reason)
    if not earliest <= message.sent_ts < end:
        day = message.sent_ts.date().isoformat()
        reason = f"the day {day} is outside the days that are kept"
        return Classification(UNREADABLE, rule_id=OUTSIDE_DAYS, reason=reason)
    return classify(message)
