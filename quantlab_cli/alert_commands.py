"""``quantlab alerts``: bring Telegram exports in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.refresh_news import show_refresh
from quantlab_cli.refused_files import name_refused, refuse_if_nothing_came_in
from quantlab_cli.tables import Column, shown

if TYPE_CHECKING:
    from quantlab_assets.workflows.ingest_alerts import IngestReport
    from quantlab_resources.lab import Lab

DAY_COLUMNS = (
    Column("day", "day (UTC)"),
    Column("chain", "chain"),
    Column("alerts", "alerts", is_number=True),
    Column("artifactId", "artifact id"),
)


@click.group(cls=LakeGroup)
def alerts() -> None:
    """Bring Telegram exports in and find the alerts in them."""


@alerts.command("ingest")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--date",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Bring only this UTC day's alerts up to date, not all days.",
)
@click.option("--chain", metavar="CHAIN", help="Show only the alerts of this chain; all are stored.")
@click.option("--drop-adopted", is_flag=True, help="On these days, leave out adopted calls that no export tells of.")
@click.pass_obj
def ingest(
    invocation: Invocation, files: tuple[Path, ...], day: datetime | None, chain: str | None, drop_adopted: bool
) -> None:
    """Read Telegram exports (Telegram Desktop's result.json) and bring alerts and all that rests on them up to date."""
    from quantlab_assets.workflows.ingest_alerts import ingest_telegram_exports
    from quantlab_assets.workflows.refresh_research import refresh_research
    from quantlab_cli.open_lake import running_on_new_or_existing

    with running_on_new_or_existing(invocation) as runs:
        only_day = None if day is None else day.date()
        intake = ingest_telegram_exports(runs, files, only_day=only_day, drop_adopted=drop_adopted)
        refuse_if_nothing_came_in(intake)
        days = {day for report in intake.accepted for day in report.days}
        refresh = refresh_research(runs, days)
        for report in intake.accepted:
            click.echo(f"{shown(report.path)}: {messages_line(report)}")
            if report.dropped_calls:
                click.echo(f"dropped as asked for: {report.dropped_calls:,} adopted calls that no export tells of")
        _show_alerts_by_day(runs.lab, sorted(day.isoformat() for day in days), chain)
        show_refresh(runs, refresh)
        click.echo(f"{runs.counts.new:,} new artifacts; {runs.counts.published - runs.counts.new:,} were there already")
        name_refused(intake)


def messages_line(report: IngestReport) -> str:
    """What became of the messages, in one line."""
    messages = sum(report.dispositions.values())
    line = f"{messages:,} messages ({_counts(report.dispositions)})"
    if report.quarantine_rules:
        line += f"; quarantined by rule: {_counts(report.quarantine_rules)}"
    return line


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {shown(name)}" for name, number in sorted(counts.items(), key=lambda item: -item[1]))


def _show_alerts_by_day(lab: Lab, days: list[str], chain: str | None) -> None:
    from quantlab_cli.tables import show_rows
    from quantlab_core.alerts.artifact_types import ALERTS
    from quantlab_core.artifacts.any_version import key_parts_of

    rows = []
    for day in days:
        for head in lab.artifacts.heads(ALERTS.name, f"day={day}/"):
            parts = key_parts_of(head)
            if parts is not None and head.row_count and chain in (None, parts["chain"]):
                rows.append(
                    {"day": day, "chain": parts["chain"], "alerts": head.row_count, "artifactId": head.artifact_id}
                )
    of_chain = "" if chain is None else f" of {shown(chain)}"
    show_rows(rows, DAY_COLUMNS, "table", nothing=f"no alerts{of_chain} on these days")
