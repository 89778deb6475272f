"""A Telegram export comes in: archive it, read it, and bring the alerts of the days it touches up to date."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from quantlab_assets.adopted_calls import DROP_ADOPTED, adopted_calls, adopted_days
from quantlab_assets.alerts import last_params
from quantlab_assets.partitions import EXPORTS
from quantlab_assets.workflows.archive import archive_file
from quantlab_assets.workflows.intake import Intake, take_in
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.adopted_calls import CallKey, calls_of, covered_calls
from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.alerts.artifact_types import (
    ALERTS,
    ALERTS_QUARANTINE,
    MESSAGE_DISPOSITIONS,
    TELEGRAM_MESSAGES,
)
from quantlab_core.alerts.message_fates import Fate, fates_of
from quantlab_core.alerts.touched_days import touched_days
from quantlab_core.artifacts.any_version import read_newest
from quantlab_resources.alerts.export_folder import as_one_file
from quantlab_resources.alerts.read_ahead import ROOM_FOR_MANY, ReadAhead, handing_over
from quantlab_resources.alerts.read_options_config import options_to_config

SAYING_NOTHING = ReadOptions()


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of an export: messages by disposition, quarantined ones by rule, and the days that it touches."""

    path: Path
    export: str
    fates: tuple[Fate, ...]
    days: tuple[date, ...]
    reading: Mapping[str, Any]
    """How it was read: what was said about it, ``repairs`` by kind, ``lost_bytes`` where it was salvaged."""
    alerts_on_days: int = 0
    dropped_calls: int = 0
    """Adopted calls that are in the alerts no more, as was asked for; of several exports the first has all."""

    @property
    def messages(self) -> int:
        """All messages of the export."""
        return sum(fate.messages for fate in self.fates)

    @property
    def dispositions(self) -> dict[str, int]:
        """Messages by what became of them."""
        return _summed(self.fates, lambda fate: fate.disposition)

    @property
    def quarantine_rules(self) -> dict[str, int]:
        """Quarantined messages by the rule that rejected them."""
        return _summed((fate for fate in self.fates if fate.rule_id is not None), lambda fate: str(fate.rule_id))


def ingest_telegram_exports(
    runs: LakeRuns,
    paths: Sequence[Path],
    options: ReadOptions = SAYING_NOTHING,
    *,
    only_day: date | None = None,
    drop_adopted: bool = False,
) -> Intake[IngestReport]:
    """Archive and read the exports at ``paths``, then materialize the alerts of their days and the alert set, once.

    A path is a file, or the folder of an export. Each is read to its end before anything of it is stored, so that a
    damaged one leaves no trace; it is refused and does not stop the others. ``only_day`` limits which day's alerts are
    materialized; the messages are always stored whole. Calls of the earlier store stay on their days unless
    ``drop_adopted`` asks for the exports' calls alone. Raises InvalidInputError (a day that the graph does not know),
    ConflictError (an adopted call would be dropped unasked), StorageError.
    """
    runs.require_known([] if only_day is None else [only_day])
    ahead = ReadAhead(math.inf if len(paths) == 1 else ROOM_FOR_MANY)
    intake = take_in(
        paths, lambda path: ahead.read_to_its_end(path, options), lambda path: (path, _archive(runs, path))
    )
    keys = [key for _, key in intake.accepted]
    if not keys:
        return Intake([], intake.refused)
    with handing_over(ahead):
        read_exports(runs, keys, options)
    found = [_report(runs, path, key, only_day) for path, key in intake.accepted]
    days = {day for report in found for day in report.days}
    dropped = bring_days_up_to_date(runs, days, drop_adopted=drop_adopted)
    alerts = {day: _alerts_on(runs, day) for day in days}
    found = [replace(report, alerts_on_days=sum(alerts[day] for day in report.days)) for report in found]
    return Intake([replace(found[0], dropped_calls=dropped), *found[1:]], intake.refused)


def ingest_telegram_export(
    runs: LakeRuns,
    path: Path,
    options: ReadOptions = SAYING_NOTHING,
    *,
    only_day: date | None = None,
    drop_adopted: bool = False,
) -> IngestReport:
    """The same for one export, whose refusal is raised: TelegramExportError, NotFoundError, StorageError."""
    intake = ingest_telegram_exports(runs, [path], options, only_day=only_day, drop_adopted=drop_adopted)
    for refused in intake.refused:
        raise refused.error
    return intake.accepted[0]


def read_exports(runs: LakeRuns, exports: Collection[str], options: ReadOptions = SAYING_NOTHING) -> None:
    """Materialize messages, dispositions and quarantine of archived exports."""
    config = {"ops": {MESSAGE_ASSETS[0]: {"config": options_to_config(options)}}}
    runs.materialize_keys("Reading messages", MESSAGE_ASSETS, EXPORTS, exports, bridged_gap=0, config=config)


def bring_days_up_to_date(runs: LakeRuns, days: Collection[date], *, drop_adopted: bool = False) -> int:
    """Materialize the alerts of these days and what is frozen and counted over all; how many adopted calls went."""
    adopted = adopted_days(runs.lab.artifacts)
    before = _adopted_calls_on(runs, set(days) & adopted) if drop_adopted else set()
    runs.materialize_days(
        "Finding alerts", ALERT_ASSETS, days, never=adopted, config=_dropping() if drop_adopted else None
    )
    runs.materialize("Freezing the alert set", ["alert_set", "token_calls"])
    heads = (head for day in sorted(days) for head in runs.lab.artifacts.heads(ALERTS.name, f"day={day.isoformat()}/"))
    return len(before - covered_calls(read_newest(runs.lab.artifacts, head) for head in heads)) if before else 0


def _archive(runs: LakeRuns, path: Path) -> str:
    with as_one_file(path) as file:
        return archive_file(runs, file, "telegram_export").key


def _report(runs: LakeRuns, path: Path, export: str, only_day: date | None) -> IngestReport:
    dispositions = _table(runs, MESSAGE_DISPOSITIONS.name, f"export={export}")
    (messages,) = runs.lab.artifacts.heads(TELEGRAM_MESSAGES.name, f"export={export}")
    return IngestReport(
        path=path,
        export=export,
        fates=fates_of(dispositions, _table(runs, ALERTS_QUARANTINE.name, f"export={export}")),
        days=tuple(sorted(touched_days(dispositions) if only_day is None else {only_day})),
        reading=last_params(runs.lab.artifacts, messages),
    )


def _alerts_on(runs: LakeRuns, day: date) -> int:
    return sum(head.row_count for head in runs.lab.artifacts.heads(ALERTS.name, f"day={day.isoformat()}/"))


def _dropping() -> dict[str, Any]:
    return {"ops": {asset: {"config": {DROP_ADOPTED: True}} for asset in ALERT_ASSETS}}


def _adopted_calls_on(runs: LakeRuns, days: Iterable[date]) -> set[CallKey]:
    found = (adopted_calls(runs.lab.artifacts, day.isoformat()) for day in days)
    return {call for adopted in found for call in calls_of(adopted.tables)}


ALERT_ASSETS = ("alert_events", "alerts")
MESSAGE_ASSETS = ("telegram_messages", "message_dispositions", "alerts_quarantine")


def _summed(fates: Iterable[Fate], name: Callable[[Fate], str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for fate in fates:
        counts[name(fate)] += fate.messages
    return dict(counts)


def _table(runs: LakeRuns, artifact_type: str, logical_key: str) -> pa.Table:
    (head,) = runs.lab.artifacts.heads(artifact_type, logical_key)
    return runs.lab.artifacts.read(head.artifact_id)
