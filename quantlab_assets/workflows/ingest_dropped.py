"""Exports from the drop folder come in, as by `quantlab alerts ingest`, and leave the folder ingested or refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from quantlab_assets.workflows.ingest_alerts import IngestReport, ingest_telegram_exports
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.alerts.drop_folder import DropFolder, DroppedExport
from quantlab_core.errors import CandleSourceError, InvalidInputError


@dataclass(frozen=True, slots=True)
class DropReport:
    """What became of the exports that were asked for: reports by name, reasons by name, and names that are gone."""

    accepted: dict[str, IngestReport]
    refused: dict[str, str]
    gone: tuple[str, ...]


def ingest_dropped(runs: LakeRuns, folder: DropFolder, names: Sequence[str]) -> DropReport:
    """Ingest these exports of the folder and bring up to date what rests on them; a bad one stops no other.

    They are moved only when everything is published: after a crash the next attempt finds them where they were. Only a
    candle source that does not answer keeps none of them back: what they tell is published then.
    Raises what is no matter of one export (StorageError, CandleSourceError, …).
    """
    waiting = {export.name: export for export in folder.waiting()}
    accepted: dict[str, IngestReport] = {}
    refused: dict[str, str] = {}
    said: dict[ReadOptions, list[DroppedExport]] = defaultdict(list)
    for name in names:
        if name in waiting:
            try:
                said[folder.options(waiting[name])].append(waiting[name])
            except InvalidInputError as error:
                refused[name] = waiting[name].reason(error)
    for options, exports in said.items():
        by_path = {export.path: export.name for export in exports}
        intake = ingest_telegram_exports(runs, list(by_path), options)
        accepted |= {by_path[report.path]: report for report in intake.accepted}
        refused |= {by_path[file.path]: waiting[by_path[file.path]].reason(file.error) for file in intake.refused}

    def move() -> None:
        for name in accepted:
            folder.keep(waiting[name])
        for name, reason in refused.items():
            folder.refuse(waiting[name], reason)

    try:
        refresh_research(runs, {day for report in accepted.values() for day in report.days})
    except CandleSourceError:
        move()  # their alerts are published; for candles the sensor `keep_current` asks again
        raise
    move()
    return DropReport(accepted, refused, tuple(name for name in names if name not in waiting))
