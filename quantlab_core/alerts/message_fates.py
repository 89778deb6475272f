"""What became of the messages of an export, counted: one line per kind, and per rule where they are quarantined."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from quantlab_core.alerts.message_kinds import DUPLICATE, EVENT, NON_ALERT, QUARANTINED

_ORDER = (EVENT, NON_ALERT, DUPLICATE, QUARANTINED)


@dataclass(frozen=True, slots=True)
class Fate:
    """So many messages of one kind that went one way; ``example`` is one of them and the reason, if quarantined."""

    disposition: str
    kind: str
    rule_id: str | None
    messages: int
    example: str | None = None


def fates_of(dispositions: pa.Table, quarantine: pa.Table) -> tuple[Fate, ...]:
    """The messages of one export by what became of them; the counts add up to all of them.

    ``dispositions`` and ``quarantine`` are its ``message_dispositions_v1`` and ``alerts_quarantine`` rows.
    """
    names = ["disposition", "kind", "rule_id"]
    counts = dispositions.group_by(names).aggregate([([], "count_all")])
    columns = (counts[name].to_pylist() for name in (*names, "count_all"))
    examples: dict[str, str] = {}
    for row in quarantine.select(["rule_id", "message_id", "ordinal", "reason"]).to_pylist():
        name = f"entry {row['ordinal']}" if row["message_id"] is None else f"message {row['message_id']}"
        examples.setdefault(row["rule_id"], f"{name}: {row['reason']}")
    fates = [
        Fate(disposition, kind, rule_id, number, examples.get(rule_id) if rule_id is not None else None)
        for disposition, kind, rule_id, number in zip(*columns, strict=True)
    ]
    return tuple(
        sorted(fates, key=lambda fate: (_ORDER.index(fate.disposition), -fate.messages, fate.kind, fate.rule_id or ""))
    )
