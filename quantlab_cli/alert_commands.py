"""``quantlab alerts``: bring Telegram exports in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.refresh_news import show_refresh
from quantlab_cli.refused_files import name_refused, refuse_if_nothing_came_in
from quantlab_cli.run_settings import check_refresh_settings
from quantlab_cli.tables import Column, number_of, show_rows, shown

if TYPE_CHECKING:
    from quantlab_assets.workflows.ingest_alerts import IngestReport
    from quantlab_resources.lab import Lab

DAY_COLUMNS = (
    Column("day", "day (UTC)"),
    Column("chain", "chain"),
    Column("alerts", "alerts", is_number=True),
    Column("artifactId", "artifact id"),
)


FATE_COLUMNS = (
    Column("disposition", "became"),
    Column("kind", "kind or rule"),
    Column("messages", "messages", is_number=True),
    Column("example", "example", shrinks=True),
)


@click.group(cls=LakeGroup)
def alerts() -> None:
    """Bring Telegram exports in and find the alerts in them."""


@alerts.command("ingest")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option(
    "--timezone", "time_zone", metavar="ZONE", help="Zone in which local times were written, e.g. Europe/Berlin."
)
@click.option("--chat-id", metavar="ID", help="The chat's id, for HTML exports, which do not tell it.")
@click.option("--salvage", is_flag=True, help="Keep the whole messages of a damaged export; says what is lost.")
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
    invocation: Invocation,
    /,
    files: tuple[Path, ...],
    time_zone: str | None,
    chat_id: str | None,
    salvage: bool,
    day: datetime | None,
    chain: str | None,
    drop_adopted: bool,
) -> None:
    """Read Telegram exports and bring alerts and all that rests on them up to date.

    FILE is Telegram Desktop's result.json, a messages.html (all pages beside it are read), the folder of an export, or
    a ZIP archive of HTML pages.
    """
    from quantlab_resources.arrow_memory import keep_arrow_small

    keep_arrow_small()  # before Arrow is imported
    check_refresh_settings(invocation)

    from quantlab_assets.workflows.ingest_alerts import ingest_telegram_exports
    from quantlab_assets.workflows.refresh_research import refresh_research
    from quantlab_cli.open_lake import running_on_new_or_existing
    from quantlab_core.alerts.alert_source import ReadOptions
    from quantlab_resources.alerts.read_options_config import bare_chat_id

    options = ReadOptions(time_zone, salvage, None if chat_id is None else bare_chat_id(chat_id))
    with running_on_new_or_existing(invocation) as runs:
        only_day = None if day is None else day.date()
        intake = ingest_telegram_exports(runs, files, options, only_day=only_day, drop_adopted=drop_adopted)
        refuse_if_nothing_came_in(intake)
        days = {day for report in intake.accepted for day in report.days}
        refresh = refresh_research(runs, days)
        for report in intake.accepted:
            show_report(report)
            if report.dropped_calls:
                click.echo(f"dropped as asked for: {report.dropped_calls:,} adopted calls that no export tells of")
        _show_alerts_by_day(runs.lab, sorted(day.isoformat() for day in days), chain)
        show_refresh(runs, refresh)
        click.echo(f"{runs.counts.new:,} new artifacts; {runs.counts.published - runs.counts.new:,} were there already")
        name_refused(intake)


def show_report(report: IngestReport) -> None:
    """What became of every message of an export, and what had to be mended or was lost in reading it."""
    click.echo(f"{shown(report.path)}: {number_of(report.messages, 'message')}")
    rows = [
        {
            "disposition": fate.disposition.replace("_", " "),
            "kind": fate.rule_id or fate.kind,
            "messages": fate.messages,
            "example": fate.example or "",
        }
        for fate in report.fates
    ]
    total = {"disposition": "all", "kind": "", "messages": report.messages, "example": ""}
    if rows:
        show_rows([*rows, total], FATE_COLUMNS, "table", nothing="")
    if repairs := report.reading.get("repairs"):
        click.echo(f"repaired: {_counts(repairs)}")
    if "lost_reason" in report.reading:
        lost = number_of(report.reading["lost_bytes"], "byte")
        click.echo(
            f"salvaged: {lost} from byte {report.reading['lost_from_byte']:,} are lost: "
            f"{shown(report.reading['lost_reason'])}"
        )


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
