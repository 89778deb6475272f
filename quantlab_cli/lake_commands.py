"""``quantlab lake``: make a lake, see how it stands, check every byte of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.errors_to_exit_status import FAILED
from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import Column, Format, format_option, show_facts, show_json, show_rows, show_table, shown

if TYPE_CHECKING:
    from quantlab_resources.artifacts.lake_status import LakeStatus
    from quantlab_resources.artifacts.verification import VerificationReport

MOST_LINES = 50
"""So many damaged or affected artifacts are listed; --format json has all."""

TYPE_COLUMNS = (
    Column("artifactType", "type"),
    Column("artifacts", "artifacts", is_number=True),
    Column("active", "active", is_number=True),
    Column("superseded", "superseded", is_number=True),
    Column("tombstoned", "tombstoned", is_number=True),
    Column("heads", "heads", is_number=True),
    Column("rows", "rows", is_number=True),
    Column("size", "size", is_number=True),
)
PART_COLUMNS = (Column("part", "part"), Column("size", "size", is_number=True), Column("path", "path", shrinks=True))


class Subset(click.ParamType):
    """``n/t``: the n-th of t parts."""

    name = "N/T"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """The pair that ``value`` names."""
        if isinstance(value, tuple):
            return value
        part, slash, parts = str(value).partition("/")
        if not slash or not part.isdecimal() or not parts.isdecimal() or not 1 <= int(part) <= int(parts):
            self.fail(f"{value!r} is not of the form 1/4, the first of four parts", param, ctx)
        return int(part), int(parts)


@click.group(cls=LakeGroup)
def lake() -> None:
    """Make a lake, see how it stands, check it."""


@lake.command("init")
@click.pass_obj
def init(invocation: Invocation) -> None:
    """Make an empty lake; one that is there stays as it is."""
    from quantlab_resources.lab import Lab
    from quantlab_resources.lake_paths import LakePaths

    was_there = LakePaths.from_environment(invocation.home).manifest_db.exists()
    lab = Lab.create(invocation.home)
    click.echo(f"{shown(lab.paths.home)}: {'the lake was there already' if was_there else 'made an empty lake'}")


@lake.command("status")
@format_option
@click.pass_obj
def status(invocation: Invocation, output_format: Format) -> None:
    """Show what the lake holds and what it takes up."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.artifacts.lake_status import lake_status

    lab = existing_lake(invocation)
    found = lake_status(lab.artifacts)
    by_type = [
        {
            "artifactType": of_type.artifact_type,
            "artifacts": of_type.active + of_type.superseded + of_type.tombstoned,
            "active": of_type.active,
            "superseded": of_type.superseded,
            "tombstoned": of_type.tombstoned,
            "heads": of_type.heads,
            "rows": of_type.rows,
            "bytes": of_type.byte_size,
            "size": _size(of_type.byte_size),
        }
        for of_type in found.types
    ]
    if output_format == "json":
        show_json(_status_json(found, by_type))
        return
    if output_format == "csv":
        show_rows([_without_size(row) for row in by_type], TYPE_COLUMNS, output_format, nothing="")
        return
    show_facts(
        {
            "home": found.home,
            "artifacts": sum(of_type.active + of_type.superseded + of_type.tombstoned for of_type in found.types),
            "heads": sum(of_type.heads for of_type in found.types),
            "experiments": ", ".join(f"{number:,} {state}" for state, number in found.experiments.items()) or "none",
        }
    )
    click.echo()
    show_rows(by_type, TYPE_COLUMNS, "table", nothing="no artifacts yet; `quantlab demo` makes some")
    click.echo()
    parts = [{"part": part.name, "size": _size(part.byte_size), "path": part.path} for part in found.parts]
    show_table(parts, PART_COLUMNS)


@lake.command("verify")
@click.option("--deep", is_flag=True, help="Also decode every table and compare its content hash.")
@click.option("--subset", type=Subset(), default="1/1", metavar="N/T", help="Check the N-th of T parts only.")
@format_option
@click.pass_obj
def verify_lake(invocation: Invocation, deep: bool, subset: tuple[int, int], output_format: Format) -> None:
    """Check every stored byte against the manifest; status 1 when something is damaged."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.artifacts.verification import verify

    lab = existing_lake(invocation)
    with counted("Verifying") as progress:
        report = verify(lab.artifacts, deep=deep, subset=subset, progress=progress)
    if output_format == "json":
        show_json(_verification_json(report))
    elif output_format == "csv":
        show_rows(_verification_json(report)["problems"], PROBLEM_COLUMNS, output_format, nothing="")
    else:
        _show_verification(report)
    if not report.is_whole:
        raise SystemExit(FAILED)


PROBLEM_COLUMNS = (
    Column("kind", "kind"),
    Column("artifactId", "artifact id"),
    Column("path", "path", shrinks=True),
    Column("detail", "what is wrong", shrinks=True),
)


def _show_verification(report: VerificationReport) -> None:
    click.echo(
        f"checked {report.artifacts_checked:,} artifacts ({_size(report.bytes_checked)})"
        f" and {report.events_checked:,} manifest events"
    )
    if report.is_whole:
        click.echo("every byte is as the manifest says")
        return
    click.echo(f"{len(report.problems):,} problems:")
    for problem in report.problems[:MOST_LINES]:
        click.echo(f"  {problem.kind.value:<10} {problem.artifact_id or '-'}  {shown(problem.detail)}")
    _say_more(len(report.problems))
    if report.downstream:
        click.echo(f"{len(report.downstream):,} artifacts were made from what is damaged or missing:")
        for artifact in report.downstream[:MOST_LINES]:
            click.echo(f"  {artifact.artifact_id}  {artifact.artifact_type}  {shown(artifact.logical_key)}")
        _say_more(len(report.downstream))


def _say_more(number: int) -> None:
    if number > MOST_LINES:
        click.echo(f"  … and {number - MOST_LINES:,} more; --format json lists all")


def _verification_json(report: VerificationReport) -> dict[str, Any]:
    from quantlab_cli.json_shapes import artifact_json

    return {
        "artifactsChecked": report.artifacts_checked,
        "eventsChecked": report.events_checked,
        "bytesChecked": report.bytes_checked,
        "problems": [
            {
                "kind": problem.kind.value,
                **({} if problem.artifact_id is None else {"artifactId": problem.artifact_id}),
                "path": str(problem.path),
                "detail": problem.detail,
            }
            for problem in report.problems
        ],
        "downstream": [artifact_json(artifact) for artifact in report.downstream],
    }


def _status_json(found: LakeStatus, by_type: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "home": str(found.home),
        "types": [_without_size(row) for row in by_type],
        "experiments": dict(found.experiments),
        "parts": [{"part": part.name, "bytes": part.byte_size, "path": str(part.path)} for part in found.parts],
    }


def _without_size(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "size"}


def _size(byte_size: int) -> str:
    size, unit = float(byte_size), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
