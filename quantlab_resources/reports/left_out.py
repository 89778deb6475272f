"""What a report says of the diagnostics: what was left out by reason, and what holds for the whole run."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_resources.reports.number_text import count


@dataclass(frozen=True, slots=True)
class LeftOutRow:
    """Alerts or trades that were left out for one reason."""

    count: str
    code: str
    message: str


def left_out(diagnostics: pa.Table) -> list[LeftOutRow]:
    """What was left out, by reason, the most frequent first."""
    about_alerts = diagnostics.filter(pc.is_valid(diagnostics["alert_id"])).select(["code", "message"])
    counted = about_alerts.group_by(["code", "message"], use_threads=False).aggregate([([], "count_all")]).to_pylist()
    ranked = sorted(counted, key=lambda row: (-row["count_all"], row["code"], row["message"]))
    return [LeftOutRow(count(row["count_all"]), row["code"], row["message"]) for row in ranked]


def times_left_out(diagnostics: pa.Table, code: str) -> int:
    """How many alerts or trades were left out for the reason ``code``."""
    chosen = pc.and_(pc.is_valid(diagnostics["alert_id"]), pc.equal(diagnostics["code"], pa.scalar(code)))
    return diagnostics.filter(chosen).num_rows
