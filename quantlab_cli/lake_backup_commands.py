"""``quantlab lake backup``: a copy from which the lake can go on, checked byte by byte."""

from __future__ import annotations

from pathlib import Path

import click

from quantlab_cli.errors_to_exit_status import FAILED
from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.lake_verify_commands import report_json, show_report
from quantlab_cli.tables import Format, format_option, show_csv, show_json, shown, size_text

CSV_FIELDS = ("folder", "lastEvent", "filesCopied", "bytesCopied", "filesThereAlready", "problems")


@lake.command("backup")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DEST")
@click.option("--link", "links", is_flag=True, help="Hard links of artifact files, not copies: on the same disk only.")
@format_option
@click.pass_obj
def back_up_lake(invocation: Invocation, folder: Path, links: bool, output_format: Format) -> None:
    """Copy the lake to DEST while others may publish, and verify the copy; status 1 when it is damaged.

    DEST is a new folder, or an earlier backup of this lake, to which only what is new is added.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.artifacts.upkeep.verification import verify
    from quantlab_resources.backup.lake_backup import back_up, paths_of_backup
    from quantlab_resources.lab import Lab

    lab = existing_lake(invocation)
    folder = folder.absolute()
    with counted("Copying") as progress:
        report = back_up(lab.paths, folder, at=lab.clock.now(), links=links, progress=progress)
    with counted("Verifying the copy") as progress:
        found = verify(Lab(paths=paths_of_backup(folder)).artifacts, progress=progress)
    facts = {
        "folder": str(folder),
        "lastEvent": report.last_event,
        "filesCopied": report.lake.files + report.dagster.files,
        "bytesCopied": report.lake.byte_size + report.dagster.byte_size,
        "filesThereAlready": report.lake.there_already + report.dagster.there_already,
    }
    if output_format == "json":
        show_json({**facts, "verification": report_json(found)})
    elif output_format == "csv":
        show_csv([{**facts, "problems": len(found.problems)}], CSV_FIELDS)
    else:
        click.echo(
            f"copied {facts['filesCopied']:,} files ({size_text(report.lake.byte_size + report.dagster.byte_size)}), "
            f"{facts['filesThereAlready']:,} were there already; the lake as of event {report.last_event:,}"
        )
        show_report(found)
        click.echo(f"look into it: quantlab lake status --home {shown(folder)}")
    if not found.is_whole:
        raise SystemExit(FAILED)
