"""``quantlab projections``: DuckDB files made from artifacts, for queries. Every one can be deleted and rebuilt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quantlab_cli.experiment_arguments import parse_ids
from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import Column, Format, format_option, show_json, show_rows

if TYPE_CHECKING:
    from quantlab_core.projections.projection_builder import ProjectionResult

COLUMNS = (
    Column("projectionId", "projection"),
    Column("tables", "tables (rows)", shrinks=True),
    Column("artifactCount", "artifacts", is_number=True),
    Column("totalRows", "rows", is_number=True),
    Column("duckdbPath", "file", shrinks=True),
)


@click.group(cls=LakeGroup)
def projections() -> None:
    """Build, rebuild and drop DuckDB files made from artifacts."""


@projections.command("build")
@click.argument("projection_id", metavar="ID")
@click.option(
    "--alerts", multiple=True, callback=parse_ids, metavar="IDS", help="Artifacts or sets of the table alerts."
)
@click.option("--ohlcv", multiple=True, callback=parse_ids, metavar="IDS", help="Artifacts or sets of the table ohlcv.")
@format_option
@click.pass_obj
def build(
    invocation: Invocation, projection_id: str, alerts: tuple[str, ...], ohlcv: tuple[str, ...], output_format: Format
) -> None:
    """Build a projection of these artifacts, or replace the one with this id."""
    tables = {name: ids for name, ids in (("alerts", alerts), ("ohlcv", ohlcv)) if ids}
    if not tables:
        raise click.UsageError("name artifacts with --alerts, --ohlcv or both")
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.projections.projection_builder import ProjectionRequest

    built = existing_lake(invocation).projections.build(ProjectionRequest(projection_id, tables))
    _show([built], output_format)


@projections.command("rebuild")
@click.argument("projection_id", metavar="ID")
@format_option
@click.pass_obj
def rebuild(invocation: Invocation, projection_id: str, output_format: Format) -> None:
    """Build a projection again from what it was asked for, also when its file is gone."""
    from quantlab_cli.open_lake import existing_lake

    _show([existing_lake(invocation).projections.rebuild(projection_id)], output_format)


@projections.command("dispose")
@click.argument("projection_id", metavar="ID")
@click.pass_obj
def dispose(invocation: Invocation, projection_id: str) -> None:
    """Delete a projection's file; `rebuild` brings it back."""
    from quantlab_cli.open_lake import existing_lake

    builder = existing_lake(invocation).projections
    was_there = builder.exists(projection_id)
    builder.dispose(projection_id)
    click.echo("deleted; `quantlab projections rebuild` brings it back" if was_there else "there was no such file")


@projections.command("list")
@format_option
@click.pass_obj
def list_projections(invocation: Invocation, output_format: Format) -> None:
    """List the projections that were built in this lake."""
    from quantlab_cli.open_lake import existing_lake

    _show(existing_lake(invocation).projections.list(), output_format)


def _show(found: list[ProjectionResult], output_format: Format) -> None:
    from quantlab_cli.json_shapes import projection_json

    if output_format == "json":
        show_json([projection_json(projection) for projection in found])
        return
    rows = [
        {
            "projectionId": projection.projection_id,
            "tables": ", ".join(f"{table.name} ({table.row_count:,})" for table in projection.tables),
            "artifactCount": projection.artifact_count,
            "totalRows": projection.total_rows,
            "duckdbPath": projection.duckdb_path,
        }
        for projection in found
    ]
    show_rows(rows, COLUMNS, output_format, nothing="no projection was built in this lake")
