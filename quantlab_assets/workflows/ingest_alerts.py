"""A Telegram export comes in: archive it, read it, and bring the alerts of the days it touches up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from quantlab_assets.adopted_calls import DROP_ADOPTED, adopted_calls, adopted_days
from quantlab_assets.workflows.archive import archive_file
from quantlab_assets.workflows.intake import Intake, take_in
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.adopted_calls import CallKey, calls_of, covered_calls
from quantlab_core.alerts.alert_events import REPLY_WINDOW
from quantlab_core.alerts.artifact_types import ALERTS, ALERTS_QUARANTINE, MESSAGE_DISPOSITIONS
from quantlab_core.artifacts.any_version import read_newest
from quantlab_resources.alerts.alert_sources import read_messages


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of an export: messages by disposition, quarantined ones by rule, and the days that it touches."""

    path: Path
    export: str
    dispositions: dict[str, int]
    quarantine_rules: dict[str, int]
    days: tuple[date, ...]
    alerts_on_days: int
    dropped_calls: int = 0
    """Adopted calls of these days that are in the alerts no more, because that was asked for."""


def ingest_telegram_exports(
    runs: LakeRuns, paths: Sequence[Path], *, only_day: date | None = None, drop_adopted: bool = False
) -> Intake[IngestReport]:
    """Ingest several exports; one that cannot be read is refused and does not stop the others."""
    runs.require_known([] if only_day is None else [only_day])
    return take_in(paths, _read_to_its_end, lambda path: _store(runs, path, only_day, drop_adopted))


def ingest_telegram_export(
    runs: LakeRuns, path: Path, *, only_day: date | None = None, drop_adopted: bool = False
) -> IngestReport:
    """Archive and read the export at ``path``, then materialize the alerts of its days and the alert set.

    The file is read to its end before anything is stored, so that a damaged one leaves no trace. ``only_day`` limits
    which day's alerts are materialized; the messages are always stored whole. Calls of the earlier store stay on their
    days unless ``drop_adopted`` asks for the exports' calls alone.
    Raises TelegramExportError, StorageError, InvalidInputError (a day that the graph does not know), ConflictError
    (an adopted call would be dropped unasked).
    """
    runs.require_known([] if only_day is None else [only_day])
    _read_to_its_end(path)
    return _store(runs, path, only_day, drop_adopted)


def _store(runs: LakeRuns, path: Path, only_day: date | None, drop_adopted: bool) -> IngestReport:
    export = archive_file(runs, path, "telegram_export").key
    runs.materialize_partition("Reading messages", MESSAGE_ASSETS, export)

    dispositions = _table(runs, MESSAGE_DISPOSITIONS.name, f"export={export}")
    days = _touched_days(dispositions) if only_day is None else {only_day}
    adopted = adopted_days(runs.lab.artifacts)
    before = _adopted_calls_on(runs, days & adopted) if drop_adopted else set()
    runs.materialize_days(
        "Finding alerts", ALERT_ASSETS, days, never=adopted, config=_dropping() if drop_adopted else None
    )
    runs.materialize("Freezing the alert set", ["alert_set", "token_calls"])
    heads = [head for day in sorted(days) for head in runs.lab.artifacts.heads(ALERTS.name, f"day={day.isoformat()}/")]
    return IngestReport(
        path=path,
        export=export,
        dispositions=dict(Counter(dispositions["disposition"].to_pylist())),
        quarantine_rules=dict(Counter(_table(runs, ALERTS_QUARANTINE.name, f"export={export}")["rule_id"].to_pylist())),
        days=tuple(sorted(days)),
        alerts_on_days=sum(head.row_count for head in heads),
        dropped_calls=len(before - covered_calls(read_newest(runs.lab.artifacts, head) for head in heads)),
    )


def _dropping() -> dict[str, Any]:
    return {"ops": {asset: {"config": {DROP_ADOPTED: True}} for asset in ALERT_ASSETS}}


def _adopted_calls_on(runs: LakeRuns, days: Iterable[date]) -> set[CallKey]:
    found = (adopted_calls(runs.lab.artifacts, day.isoformat()) for day in days)
    return {call for adopted in found for call in calls_of(adopted.tables)}


ALERT_ASSETS = ("alert_events", "alerts")
MESSAGE_ASSETS = ("telegram_messages", "message_dispositions", "alerts_quarantine")


def _read_to_its_end(path: Path) -> None:
    for _message in read_messages(path):
        pass


def _table(runs: LakeRuns, artifact_type: str, logical_key: str) -> pa.Table:
    (head,) = runs.lab.artifacts.heads(artifact_type, logical_key)
    return runs.lab.artifacts.read(head.artifact_id)


def _touched_days(dispositions: pa.Table) -> set[date]:
    """UTC days whose alerts these messages can change: days of calls, and of what a bot reply may answer."""
    days: set[date] = set()
    columns = (dispositions[name].to_pylist() for name in ("disposition", "kind", "sent_ts"))
    for disposition, kind, sent in zip(*columns, strict=True):
        if sent is None or disposition == "quarantined" or kind not in {"call", "bot_alert", "bot_reply"}:
            continue
        days.add(sent.date())
        if kind == "bot_reply" and sent - datetime.combine(sent.date(), time.min, UTC) < REPLY_WINDOW:
            days.add(sent.date() - timedelta(days=1))
    return days
