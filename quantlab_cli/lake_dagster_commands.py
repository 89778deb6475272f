"""``quantlab lake sync-dagster``: what is current in the lake shows in Dagster's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.run_settings import check_run_settings
from quantlab_cli.tables import Column, Format, format_option, number_of, show_json, show_rows, shown

if TYPE_CHECKING:
    from quantlab_assets.workflows.sync_dagster import SyncReport
    from quantlab_resources.lab import Lab

COLUMNS = (
    Column("asset", "asset"),
    Column("shownBefore", "shown before", is_number=True),
    Column("reported", "reported now", is_number=True),
    Column("unknownPartitions", "unknown\npartitions", is_number=True),
    Column("outsideGrammar", "keys of\nno partition", is_number=True),
)
MOST_NAMES = 5


@lake.command("sync-dagster")
@format_option
@click.pass_obj
def sync_dagster(invocation: Invocation, output_format: Format) -> None:
    """Make Dagster show what the lake holds: after adoption, or when its storage was lost.

    Nothing in the lake changes. A second call finds nothing to do.
    """
    from quantlab_cli.open_lake import existing_lake

    report = synced(existing_lake(invocation))
    if output_format == "json":
        show_json(sync_json(report))
    elif output_format == "csv":
        show_rows(_rows(report), COLUMNS, output_format, nothing="")
    else:
        show_sync(report)


def synced(lab: Lab) -> SyncReport:
    """Make Dagster's storage of this lake agree with it, shown as progress."""
    check_run_settings()

    from quantlab_assets.workflows.sync_dagster import sync_dagster as sync
    from quantlab_cli.dagster_instance import dagster_instance
    from quantlab_cli.progress_bars import counted

    with dagster_instance(lab.paths.home) as instance, counted("Telling Dagster what there is") as progress:
        return sync(lab, instance, progress=progress)


def show_sync(report: SyncReport) -> None:
    """The report for a person: a line per asset with partitions, and what could not be shown."""
    rows = [row for row in _rows(report) if any(row[column.key] for column in COLUMNS[1:])]
    show_rows(rows, COLUMNS, "table", nothing="the lake holds nothing that Dagster could show")
    show_sync_briefly(report)


def show_sync_briefly(report: SyncReport) -> None:
    """What was reported in one line, and one for each asset with something that cannot be shown."""
    gained = ", ".join(
        number_of(count, name.removesuffix("s")) for name, count in report.new_partitions.items() if count
    )
    click.echo(f"{report.reported:,} materializations reported" + (f"; new partitions: {gained}" if gained else ""))
    for asset in report.assets:
        if asset.unknown_partitions:
            click.echo(
                f"{asset.asset}: the graph has no partition {_some(asset.unknown_partitions)};"
                " QUANTLAB_FIRST_DAY=YYYY-MM-DD moves its first day"
            )
        if asset.outside:
            click.echo(f"{asset.asset}: no partition can be read off {_some(asset.outside)}")


def sync_json(report: SyncReport) -> dict[str, Any]:
    """The report for a program, with every name."""
    return {
        "reported": report.reported,
        "newPartitions": dict(report.new_partitions),
        "assets": [
            {
                "asset": asset.asset,
                "shownBefore": asset.shown_before,
                "reported": asset.reported,
                "unknownPartitions": sorted(asset.unknown_partitions),
                "outsideGrammar": list(asset.outside),
            }
            for asset in report.assets
        ],
    }


def _rows(report: SyncReport) -> list[dict[str, Any]]:
    return [
        {
            "asset": asset.asset,
            "shownBefore": asset.shown_before,
            "reported": asset.reported,
            "unknownPartitions": len(asset.unknown_partitions),
            "outsideGrammar": len(asset.outside),
        }
        for asset in report.assets
    ]


def _some(names: list[str] | tuple[str, ...]) -> str:
    first = ", ".join(shown(name) for name in sorted(names)[:MOST_NAMES])
    return first if len(names) <= MOST_NAMES else f"{first} and {len(names) - MOST_NAMES:,} more"
