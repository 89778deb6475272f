"""The three tables of one Telegram export: its messages, what became of each, and what was rejected.

Conservation: every entry of the export has exactly one disposition, so entries = events + non-alerts + quarantined +
duplicates. The quarantine holds exactly the entries whose disposition is ``quarantined``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

import pyarrow as pa

from quantlab_core.alerts.artifact_types import ALERTS_QUARANTINE, MESSAGE_DISPOSITIONS, TELEGRAM_MESSAGES
from quantlab_core.alerts.classification import RULE_VERSIONS, UNREADABLE, Classification, classify
from quantlab_core.alerts.telegram_message import (
    SERVICE,
    UNSUPPORTED,
    RawMessage,
    TelegramMessage,
    UnreadableMessage,
    normalise_message,
    payload_json,
)
from quantlab_core.artifacts.artifact_type import ArtifactType

EVENT = "event"
NON_ALERT = "non_alert"
QUARANTINED = "quarantined"
DUPLICATE = "duplicate"

FIRST_DAY = date(2018, 1, 1)
OUTSIDE_DAYS = "outside_days"

# Rows are turned into Arrow columns in batches of this size; larger ones are not faster and hold more Python objects.
_BATCH_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class ExportTables:
    """Tables in the schemas of ``telegram_messages_v1``, ``message_dispositions_v1`` and ``alerts_quarantine``."""

    messages: pa.Table
    dispositions: pa.Table
    quarantine: pa.Table


class _TableRows:
    """Rows of one artifact type, kept as Arrow batches so that millions of Python objects never live at once."""

    def __init__(self, spec: ArtifactType) -> None:
        self._spec = spec
        self._rows: list[Sequence[object]] = []
        self._batches: list[pa.RecordBatch] = []

    def append(self, row: Sequence[object]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def table(self) -> pa.Table:
        self._flush()
        table = pa.Table.from_batches(self._batches, schema=self._spec.schema)
        return table.sort_by([(name, "ascending") for name in self._spec.sort_key])

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, self._spec.schema, strict=True)]
            self._batches.append(pa.RecordBatch.from_arrays(arrays, schema=self._spec.schema))
            self._rows.clear()


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
    messages, dispositions, quarantine = (
        _TableRows(spec) for spec in (TELEGRAM_MESSAGES, MESSAGE_DISPOSITIONS, ALERTS_QUARANTINE)
    )
    seen: set[tuple[int, int, str]] = set()
    earliest = datetime.combine(first_day, time(), UTC)
    end = None if last_day is None else datetime.combine(last_day, time(), UTC) + timedelta(days=1)
    for raw in raw_messages:
        message = normalise_message(raw.payload, chat=raw.chat, ordinal=raw.ordinal, time_zone=time_zone)
        place = (message.ordinal, message.chat_id, message.message_id, message.sent_ts)
        verdict = _verdict(message, earliest, end)
        if isinstance(message, TelegramMessage) and verdict.rule_id != OUTSIDE_DAYS:
            version = (message.chat_id, message.message_id, message.content_id)
            if version in seen:
                dispositions.append((*place, DUPLICATE, verdict.kind, None, 0))
                continue
            seen.add(version)
            messages.append(_message_row(message))
        if verdict.rule_id is None:
            disposition = EVENT if verdict.is_alert else NON_ALERT
            dispositions.append((*place, disposition, verdict.kind, None, len(verdict.calls)))
        else:
            dispositions.append((*place, QUARANTINED, verdict.kind, verdict.rule_id, 0))
            version_of_rule = RULE_VERSIONS[verdict.rule_id]
            payload = payload_json(raw.payload)
            quarantine.append((*place, verdict.rule_id, version_of_rule, verdict.reason, payload))
    return ExportTables(messages.table(), dispositions.table(), quarantine.table())


def _verdict(message: TelegramMessage | UnreadableMessage, earliest: datetime, end: datetime | None) -> Classification:
    if isinstance(message, UnreadableMessage):
        if message.kind in {SERVICE, UNSUPPORTED}:  # no alert in any case; HTML gives them no time of their own
            return Classification(message.kind)
        return Classification(message.kind, rule_id=message.rule_id, reason=message.reason)
    if message.sent_ts < earliest or (end is not None and message.sent_ts >= end):
        day = message.sent_ts.date().isoformat()
        reason = f"the day {day} is outside the days that are kept"
        return Classification(UNREADABLE, rule_id=OUTSIDE_DAYS, reason=reason)
    return classify(message)


def _message_row(message: TelegramMessage) -> Sequence[object]:
    return tuple(getattr(message, field.name) for field in TELEGRAM_MESSAGES.schema)
