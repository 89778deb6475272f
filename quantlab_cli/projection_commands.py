"""``quantlab projections``: DuckDB files and datasets made from artifacts. Every one can be deleted and rebuilt."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from quantlab_cli.experiment_arguments import parse_ids
from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.projection_arguments import parse_indexes, parse_size, parse_tables
from quantlab_cli.tables import Column, Format, format_option, show_json, show_rows, size_text

if TYPE_CHECKING:
    from quantlab_core.projections.projection_builder import (
        ProjectionBuilder,
        ProjectionForm,
        ProjectionIndex,
        ProjectionResult,
        ProjectionState,
    )

RESULT_COLUMNS = (
    Column("projectionId", "projection"),
    Column("tables", "tables (rows)", shrinks=True),
    Column("artifactCount", "artifacts", is_number=True),
    Column("totalRows", "rows", is_number=True),
    Column("duckdbPath", "file", shrinks=True),
)
STATE_COLUMNS = (
    Column("projectionId", "projection"),
    Column("state", "state"),
    Column("tables", "tables (rows)", shrinks=True),
    Column("artifactCount", "artifacts", is_number=True),
    Column("size", "size", is_number=True),
    Column("lastUsed", "last used"),
    Column("duckdbPath", "file", shrinks=True),
)
MAX_SIZE_HELP = "Delete the least recently used projections until all take at most SIZE (5GB, 500MiB)."


@click.group(cls=LakeGroup)
def projections() -> None:
    """Build, refresh, rebuild and drop DuckDB files made from artifacts."""


@projections.command("build")
@click.argument("projection_id", metavar="ID")
@click.option(
    "--alerts", multiple=True, callback=parse_ids, metavar="IDS", help="Artifacts or sets of the table alerts."
)
@click.option("--ohlcv", multiple=True, callback=parse_ids, metavar="IDS", help="Artifacts or sets of the table ohlcv.")
@click.option(
    "--table", "named", multiple=True, callback=parse_tables, metavar="NAME=IDS", help="The same for any other table."
)
@click.option(
    "--index", "indexes", multiple=True, callback=parse_indexes, metavar="TABLE:COLUMNS", help="Columns to be quick by."
)
@click.option("--cache-dir", metavar="PATH", help="Where the file goes  [default: the lake's cache]")
@click.option(
    "--as",
    "form",
    type=click.Choice(["duckdb", "dataset"]),
    default="duckdb",
    show_default=True,
    help="A DuckDB file, or one table as Parquet files by bucket of the token and month.",
)
@click.option("--max-size", callback=parse_size, metavar="SIZE", help=f"Afterwards: {MAX_SIZE_HELP}")
@format_option
@click.pass_obj
def build(
    invocation: Invocation,
    projection_id: str,
    alerts: tuple[str, ...],
    ohlcv: tuple[str, ...],
    named: tuple[tuple[str, tuple[str, ...]], ...],
    indexes: tuple[ProjectionIndex, ...],
    cache_dir: str | None,
    form: ProjectionForm,
    max_size: int | None,
    output_format: Format,
) -> None:
    """Build a projection of these artifacts, or replace the one with this id.

    A frozen set stands for its members. Every table holds artifacts of equal columns.
    """
    tables: dict[str, tuple[str, ...]] = {}
    for name, ids in (("alerts", alerts), ("ohlcv", ohlcv), *named):
        if ids:
            tables[name] = tables.get(name, ()) + ids
    if not tables:
        raise click.UsageError("name artifacts with --alerts, --ohlcv or --table")
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.projections.projection_builder import ProjectionRequest

    builder = existing_lake(invocation).projections
    built = builder.build(ProjectionRequest(projection_id, tables, indexes, cache_dir, form))
    _make_room(builder, max_size, projection_id)
    _show([built], output_format)


@projections.command("refresh")
@click.argument("projection_id", metavar="ID")
@click.option("--max-size", callback=parse_size, metavar="SIZE", help=f"Afterwards: {MAX_SIZE_HELP}")
@format_option
@click.pass_obj
def refresh(invocation: Invocation, projection_id: str, max_size: int | None, output_format: Format) -> None:
    """Bring a projection up to the current artifacts; only what changed is read."""
    from quantlab_cli.open_lake import existing_lake

    builder = existing_lake(invocation).projections
    refreshed = builder.refresh(projection_id)
    _make_room(builder, max_size, projection_id)
    _show([refreshed], output_format)


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
    if not was_there:
        builder.get(projection_id)  # an id that nothing was built under is an error, a file that is gone is none
    click.echo("deleted; `quantlab projections rebuild` brings it back" if was_there else "there was no such file")


@projections.command("get")
@click.argument("projection_id", metavar="ID")
@format_option
@click.pass_obj
def get(invocation: Invocation, projection_id: str, output_format: Format) -> None:
    """Show a projection as it was last built."""
    from quantlab_cli.open_lake import existing_lake

    _show([existing_lake(invocation).projections.get(projection_id)], output_format)


@projections.command("list")
@format_option
@click.pass_obj
def list_projections(invocation: Invocation, output_format: Format) -> None:
    """List the projections that were built in this lake: fresh or stale, size, last use."""
    from quantlab_cli.open_lake import existing_lake

    found = existing_lake(invocation).projections.states()
    if output_format == "json":
        from quantlab_cli.json_shapes import projection_state_json

        show_json([projection_state_json(state) for state in found])
        return
    show_rows(_state_rows(found), STATE_COLUMNS, output_format, nothing="no projection was built in this lake")


@projections.command("evict")
@click.option("--max-size", required=True, callback=parse_size, metavar="SIZE", help=MAX_SIZE_HELP)
@click.option("--apply", is_flag=True, help="Delete them; without this they are only shown.")
@format_option
@click.pass_obj
def evict(invocation: Invocation, max_size: int, apply: bool, output_format: Format) -> None:
    """Make room: delete the files of the least recently used projections. `rebuild` brings each back."""
    from quantlab_cli.open_lake import existing_lake

    eviction = existing_lake(invocation).projections.evict(max_size, apply=apply)
    if output_format == "json":
        from quantlab_cli.json_shapes import projection_state_json

        show_json([projection_state_json(state) for state in eviction.evicted])
        return
    nothing = f"nothing to delete: all projections take {size_text(eviction.kept_bytes)}"
    show_rows(_state_rows(eviction.evicted), STATE_COLUMNS, output_format, nothing=nothing)
    if eviction.evicted and output_format == "table":
        done = "deleted" if apply else "would be deleted (--apply deletes them)"
        click.echo(f"{len(eviction.evicted)} {done}; {size_text(eviction.kept_bytes)} stay")


def _make_room(builder: ProjectionBuilder, max_size: int | None, projection_id: str) -> None:
    if max_size is None:
        return
    for state in builder.evict(max_size, apply=True, keep=[projection_id]).evicted:
        click.echo(f"deleted {state.projection.projection_id} ({size_text(state.byte_size)}) to make room", err=True)


def _state_rows(states: Iterable[ProjectionState]) -> list[dict[str, object]]:
    return [
        {
            "projectionId": state.projection.projection_id,
            "state": _state_text(state),
            "tables": _tables_text(state.projection),
            "artifactCount": state.projection.artifact_count,
            "totalRows": state.projection.total_rows,
            "size": size_text(state.byte_size) if state.is_there else None,
            "lastUsed": None if state.last_used is None else f"{state.last_used:%Y-%m-%d %H:%M}",
            "duckdbPath": state.projection.duckdb_path,
        }
        for state in states
    ]


def _state_text(state: ProjectionState) -> str:
    counts = {"superseded": state.superseded, "withdrawn": state.withdrawn, "new": state.added - state.superseded}
    changed = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count > 0)
    freshness = "fresh" if state.is_fresh else f"stale: {changed or 'members changed'}"
    return freshness if state.is_there else f"no file; {freshness}"


def _tables_text(projection: ProjectionResult) -> str:
    return ", ".join(f"{table.name} ({table.row_count:,})" for table in projection.tables)


def _show(found: list[ProjectionResult], output_format: Format) -> None:
    from quantlab_cli.json_shapes import projection_json

    if output_format == "json":
        show_json([projection_json(projection) for projection in found])
        return
    rows = [
        {
            "projectionId": projection.projection_id,
            "tables": _tables_text(projection),
            "artifactCount": projection.artifact_count,
            "totalRows": projection.total_rows,
            "duckdbPath": projection.duckdb_path,
        }
        for projection in found
    ]
    show_rows(rows, RESULT_COLUMNS, output_format, nothing="no projection was built in this lake")
    if output_format == "table":
        for projection in found:
            for table in projection.tables:
                for served in table.indexes:
                    click.echo(f"{table.name}: {served}")
