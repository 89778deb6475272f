"""``quantlab lake adopt``: take over the lake of the earlier store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import Column, Format, format_option, show_facts, show_json, show_rows, show_some

if TYPE_CHECKING:
    from quantlab_resources.adoption.adoption_report import AdoptionReport, TypeCounts

COLUMNS = (
    Column("type", "type"),
    Column("adopted", "adopted", is_number=True),
    Column("filesConfirmed", "files\nconfirmed", is_number=True),
    Column("filesDiffer", "files\ndiffer", is_number=True),
    Column("filesMissing", "files\nmissing", is_number=True),
    Column("content", "content confirmed", shrinks=True),
    Column("contentUnconfirmed", "content\nunconfirmed", is_number=True),
    Column("heads", "heads", is_number=True),
    Column("rows", "rows", is_number=True),
    Column("leftOutRows", "rows not\nread on", is_number=True),
)
MOST_LINES = 10
"""So many single artifacts, rows and files are listed of each kind; --format json has all."""

NEXT = """next: `quantlab lake status` shows what there is, `quantlab lake verify --deep` checks every byte,
  `quantlab experiments create --name first --strategy momentum` takes the adopted alerts and candles,
  `quantlab alerts ingest FILE` adds to the adopted alerts of a day and drops none of them"""


@lake.command("adopt")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--artifacts-root",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the artifacts, where it is not beside the manifest's folder.",
)
@format_option
@click.pass_obj
def adopt(invocation: Invocation, path: Path, artifacts_root: Path | None, output_format: Format) -> None:
    """Take over the lake of the earlier store at PATH: its home, or its manifest.

    With --home (or QUANTLAB_HOME) elsewhere its files are copied there; else it is adopted in place. No old file is
    written to, the manifest is copied aside first, and the report ends with the command that undoes it.
    """
    from quantlab_assets.workflows.adopt_lake import adopt_lake
    from quantlab_cli.lake_dagster_commands import show_sync_briefly, sync_json, synced
    from quantlab_cli.progress_bars import counted

    with counted("Taking over artifacts") as progress:
        adopted = adopt_lake(path, home=invocation.home, artifacts_root=artifacts_root, progress=progress)
    report = adopted.report
    if output_format == "json":
        show_json({**_report_json(report), "dagster": sync_json(synced(adopted.lab))})
    elif output_format == "csv":
        show_rows(_rows(report), COLUMNS, output_format, nothing="")
        synced(adopted.lab)
    else:
        _show(report)
        click.echo("\nin Dagster: ", nl=False)
        show_sync_briefly(synced(adopted.lab))
        click.echo(NEXT)


def _show(report: AdoptionReport) -> None:
    if report.types:
        show_rows(_rows(report), COLUMNS, "table", nothing="")
        click.echo()
    show_facts(
        {
            "home": report.home,
            "adopted now": report.adopted,
            "adopted before": report.known_before or None,
            "better than before": report.checked_again or None,
            "rows refused": len(report.refused) or None,
            "lineage left out": report.lineage_left_out or None,
            "keys with several active": len(report.several_active) or None,
            "keys without a head": len(report.without_head) or None,
            "unregistered files": len(report.unregistered) or None,
            "left alone": ", ".join(folder.name for folder in report.left_alone) or None,
            "manifest copied to": report.manifest_copy,
        }
    )
    _list("refused", [f"row {row.number} {row.artifact_id}: {row.reason}" for row in report.refused])
    _list(
        "not confirmed",
        [
            f"{one.artifact_id} {one.artifact_type} {one.logical_key}: {', '.join(one.doubts)}"
            for one in report.doubtful
        ],
    )
    _list("without a head, since no active artifact can be read", [" ".join(key) for key in report.without_head])
    _list(
        "several active, of which the newest is the head",
        [f"{key.artifact_type} {key.logical_key}: {key.artifacts}" for key in report.several_active],
    )
    _list("unregistered", report.unregistered)
    if report.undo is not None:
        click.echo(f"\nto undo it, while no quantlab is running:\n  {report.undo}")


def _list(title: str, lines: Sequence[str]) -> None:
    show_some(f"\n{title}", lines, most=MOST_LINES)


def _rows(report: AdoptionReport) -> list[dict[str, Any]]:
    return [_row(report.types[key]) for key in sorted(report.types)]


def _row(counts: TypeCounts) -> dict[str, Any]:
    unconfirmed = {name: counts.content[name] for name in ("unconfirmed", "unreadable")}
    editions = {name: number for name, number in sorted(counts.content.items()) if name not in unconfirmed}
    return {
        "type": f"{counts.artifact_type}/v{counts.schema_version}",
        "adopted": counts.adopted,
        "filesConfirmed": counts.files["confirmed"],
        "filesDiffer": counts.files["differs"],
        "filesMissing": counts.files["missing"],
        "content": ", ".join(f"{number:,} by {name}" for name, number in editions.items()) or "-",
        "contentUnconfirmed": sum(unconfirmed.values()),
        "heads": counts.heads,
        "rows": counts.rows,
        "leftOutRows": counts.left_out_rows,
    }


def _report_json(report: AdoptionReport) -> dict[str, Any]:
    return {
        "home": str(report.home),
        "adopted": report.adopted,
        "adoptedBefore": report.known_before,
        "checkedAgain": report.checked_again,
        "heads": report.heads,
        "lineageLeftOut": report.lineage_left_out,
        "types": [
            {
                "artifactType": counts.artifact_type,
                "schemaVersion": counts.schema_version,
                "adopted": counts.adopted,
                "files": dict(sorted(counts.files.items())),
                "content": dict(sorted(counts.content.items())),
                "sidecars": dict(sorted(counts.sidecars.items())),
                "heads": counts.heads,
                "rows": counts.rows,
                "leftOutRows": counts.left_out_rows,
            }
            for _, counts in sorted(report.types.items())
        ],
        "refused": [{"row": row.number, "artifactId": row.artifact_id, "reason": row.reason} for row in report.refused],
        "doubtful": [
            {
                "artifactId": one.artifact_id,
                "artifactType": one.artifact_type,
                "logicalKey": one.logical_key,
                "doubts": list(one.doubts),
            }
            for one in report.doubtful
        ],
        "severalActive": [
            {"artifactType": key.artifact_type, "logicalKey": key.logical_key, "artifacts": key.artifacts}
            for key in report.several_active
        ],
        "withoutHead": [{"artifactType": type_, "logicalKey": key} for type_, key in report.without_head],
        "unregistered": list(report.unregistered),
        "leftAlone": [str(folder) for folder in report.left_alone],
        **({} if report.manifest_copy is None else {"manifestCopy": str(report.manifest_copy)}),
        **({} if report.undo is None else {"undo": report.undo}),
    }
