"""``quantlab lake gc``: give up the bytes of replaced artifacts that nothing in use was made from."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import Column, Format, format_option, show_csv, show_json, show_table, size_text

COLUMNS = (
    Column("artifactType", "type"),
    Column("artifacts", "artifacts", is_number=True),
    Column("size", "size", is_number=True),
)
CSV_FIELDS = ("artifactType", "artifacts", "bytes")


@lake.command("gc")
@click.option("--apply", "applies", is_flag=True, help="Remove the bytes; without it, only show what would go.")
@click.option(
    "--older-than",
    type=click.IntRange(min=0, max=36_500),
    metavar="DAYS",
    help="Spare what was replaced or withdrawn less than so many days ago.",
)
@format_option
@click.pass_obj
def collect(invocation: Invocation, applies: bool, older_than: int | None, output_format: Format) -> None:
    """Remove the bytes of superseded and withdrawn artifacts that nothing in use was made from."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage, find_garbage

    store = existing_lake(invocation).artifacts
    age = None if older_than is None else timedelta(days=older_than)
    if applies:
        with counted("Collecting") as progress:
            report = collect_garbage(store, older_than=age, progress=progress)
    else:
        report = find_garbage(store, older_than=age)
    rows: list[dict[str, Any]] = [
        {"artifactType": one.artifact_type, "artifacts": one.artifacts, "bytes": one.byte_size} for one in report.types
    ]
    if output_format == "json":
        show_json(
            {
                "applied": report.is_applied,
                "artifacts": report.artifacts,
                "bytes": report.byte_size,
                "types": rows,
                "leftoverFiles": report.leftovers,
            }
        )
    elif output_format == "csv":
        show_csv(rows, CSV_FIELDS)
    else:
        if rows:
            show_table([{**row, "size": size_text(row["bytes"])} for row in rows], COLUMNS)
        if report.leftovers:
            click.echo(f"removed {report.leftovers:,} files that an interrupted collection had left")
        total = f"{report.artifacts:,} artifacts, {size_text(report.byte_size)}"
        if not rows:
            click.echo("nothing to collect: everything is in use, or was spared")
        elif report.is_applied:
            click.echo(f"removed the bytes of {total}; publishing the same content brings them back")
        else:
            click.echo(f"would remove the bytes of {total}; --apply does it")
