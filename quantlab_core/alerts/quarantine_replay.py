"""Quarantined messages read again with today's rules, and what became of an export's messages since."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, tzinfo

import pyarrow as pa

from quantlab_core.alerts.export_tables import export_tables
from quantlab_core.alerts.message_kinds import QUARANTINED
from quantlab_core.alerts.telegram_message import Chat, RawMessage


@dataclass(frozen=True, slots=True)
class Redecision:
    """So many messages that were decided by ``was`` and now by ``now``: a quarantine rule, else the message's kind."""

    was: str
    now: str
    messages: int


def decided_otherwise(
    quarantine: pa.Table, *, time_zone: tzinfo | None, first_day: date, last_day: date | None
) -> set[int]:
    """Ordinals of the rows of ``quarantine`` (``alerts_quarantine``, one export) that today's rules decide otherwise.

    A rule that has a new version and decides the same is the same. ``time_zone``, ``first_day`` and ``last_day`` are
    those with which `export_tables` read the export.
    """
    before = dict(zip(quarantine["ordinal"].to_pylist(), quarantine["rule_id"].to_pylist(), strict=True))
    again = export_tables(_entries(quarantine), time_zone=time_zone, first_day=first_day, last_day=last_day).quarantine
    now = dict(zip(again["ordinal"].to_pylist(), again["rule_id"].to_pylist(), strict=True))
    return {int(ordinal) for ordinal, rule_id in before.items() if ordinal is not None and now.get(ordinal) != rule_id}


def redecisions(before: pa.Table, after: pa.Table) -> tuple[tuple[Redecision, ...], pa.Table]:
    """What changed between two readings of one export (``message_dispositions_v1`` rows): counts, and the rows.

    The rows are those of both readings whose message went another way.
    """
    old, new = ({row["ordinal"]: row for row in table.to_pylist()} for table in (before, after))
    moved = [ordinal for ordinal in sorted(old.keys() | new.keys()) if old.get(ordinal) != new.get(ordinal)]
    counts = Counter((_decision(old.get(ordinal)), _decision(new.get(ordinal))) for ordinal in moved)
    rows = [row for ordinal in moved for row in (old.get(ordinal), new.get(ordinal)) if row is not None]
    return (
        tuple(Redecision(was, now, number) for (was, now), number in sorted(counts.items())),
        pa.Table.from_pylist(rows, schema=before.schema),
    )


def _entries(quarantine: pa.Table) -> Iterator[RawMessage]:
    for row in quarantine.select(["ordinal", "chat_id", "payload"]).to_pylist():
        yield RawMessage(json.loads(row["payload"]), Chat(row["chat_id"] or 0), row["ordinal"])


def _decision(row: dict[str, object] | None) -> str:
    if row is None:
        return "absent"
    return str(row["rule_id"] if row["disposition"] == QUARANTINED else row["kind"])
