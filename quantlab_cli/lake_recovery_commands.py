"""``quantlab lake recover`` and ``quantlab lake rebuild-manifest``: the ways out after a crash or a damaged ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import Column, Format, format_option, show_facts, show_json, show_rows, show_some, shown

if TYPE_CHECKING:
    from quantlab_resources.adoption.adoption_report import AdoptionReport
    from quantlab_resources.artifacts.upkeep.manifest_rebuild import RebuildReport
    from quantlab_resources.artifacts.upkeep.recovery import RecoveryReport

MOST_LINES = 50
"""So many lost events or refused sidecars are listed; --format json has all."""

RECOVERY_COLUMNS = (Column("what", "found"), Column("done", "what was done"), Column("path", "path", shrinks=True))


@lake.command("recover")
@format_option
@click.pass_obj
def recover_lake(invocation: Invocation, output_format: Format) -> None:
    """Clear what crashes left behind, and take over what the earlier store's writer has added since.

    Nothing that was published is touched.
    """
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.adoption.adopt_rows import adopt_pending
    from quantlab_resources.artifacts.upkeep.recovery import recover
    from quantlab_resources.lab import Lab

    store = Lab(invocation.home).artifacts
    rows = list(_cleared(recover(store)))
    with counted("Taking over artifacts") as progress:
        adopted = adopt_pending(store, progress)
    rows += _taken_over(adopted)
    show_rows(rows, RECOVERY_COLUMNS, output_format, nothing="nothing was left behind: the lake is clean")
    if adopted.adopted:
        click.echo("`quantlab lake sync-dagster` shows what was taken over in Dagster", err=True)


def _taken_over(report: AdoptionReport) -> Iterator[dict[str, Any]]:
    for counts in report.types.values():
        label = f"{counts.artifact_type}/v{counts.schema_version}"
        if counts.adopted:
            yield {"what": "rows of the earlier store's writer", "done": f"{counts.adopted:,} adopted", "path": label}
    for row in report.refused:
        what = f"row {row.number} of the earlier store's writer"
        yield {"what": what, "done": "left as it is", "path": f"{row.artifact_id or 'no id'}: {row.reason}"}


def _cleared(report: RecoveryReport) -> Iterator[dict[str, Any]]:
    for location in report.staging_files:
        yield {"what": "staging file", "done": "removed", "path": location}
    if report.finished_event is not None:
        yield {"what": "interrupted event", "done": "committed", "path": f"event {report.finished_event}"}
    for path in report.events_set_aside:
        yield {"what": "event that does not verify", "done": "set aside", "path": str(path)}
    for location in report.orphans:
        yield {"what": "orphan", "done": "moved to _quarantine/orphans", "path": location}
    for location in report.left_to_adoption:
        yield {"what": "file of the earlier store", "done": "left where it is", "path": location}


@lake.command("rebuild-manifest")
@click.option(
    "--output", type=click.Path(path_type=Path), metavar="FILE", help="Only write the new manifest to this file."
)
@click.option(
    "--salvage",
    is_flag=True,
    help="Go on when events are missing or damaged, with what sidecars say; tells what is lost.",
)
@click.option("--format", "output_format", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def rebuild_manifest(invocation: Invocation, output: Path | None, salvage: bool, output_format: str) -> None:
    """Make the manifest anew from its event files, check it and put it in place; the old one is kept."""
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
    from quantlab_resources.lab import Lab

    with counted("Rebuilding the manifest") as progress:
        report = rebuild(Lab(invocation.home).artifacts, output=output, salvage=salvage, progress=progress)
    if output_format == "json":
        show_json(_rebuild_json(report))
    else:
        _show_rebuild(report)


def _show_rebuild(report: RebuildReport) -> None:
    show_facts(
        {
            "manifest": report.manifest,
            "events": report.events,
            "artifacts": report.artifacts,
            "checked": "every row is readable and names rows that are there",
            "sidecars": f"{report.differing:,} do not describe their artifact: `quantlab lake verify` says more"
            if report.differing
            else "every one describes its artifact",
            "former manifest": report.previous,
            "to undo": report.undo,
        }
    )
    if report.left_out_event is not None:
        click.echo(
            f"left out: {shown(report.left_out_event)}, which may never have been committed and names files that do not"
            " verify; restore them and run this again, or `quantlab lake recover` sets it aside"
        )
    if report.artifacts_left_out:
        click.echo(
            f"left out: {report.artifacts_left_out:,} artifacts of the earlier store's writer, which no event has"
        )
    salvage = report.salvage
    if salvage is None:
        return
    if report.lost:
        show_some(
            "lost for good: what these events held and no sidecar knows", list(map(str, report.lost)), most=MOST_LINES
        )
        click.echo(
            "  that is: publications of known content, tags added later, head changes, tombstones, experiment states"
        )
    show_facts(
        {
            "artifacts taken from their sidecars": salvage.artifacts,
            "heads chosen, the newest of their key": salvage.heads,
            "rows left out, whose artifact nothing describes": salvage.rows_left_out,
            "sidecars of the earlier store, for `quantlab lake adopt`": salvage.of_earlier_store or None,
        }
    )
    show_some("not taken", salvage.refused, most=MOST_LINES)


def _rebuild_json(report: RebuildReport) -> dict[str, Any]:
    salvage = report.salvage
    optional = {
        "formerManifest": report.previous,
        "undo": report.undo,
        "leftOutEvent": report.left_out_event,
    }
    return {
        "manifest": str(report.manifest),
        "events": report.events,
        "artifacts": report.artifacts,
        "sidecarsThatDiffer": report.differing,
        "artifactsLeftOut": report.artifacts_left_out,
        **{name: str(value) for name, value in optional.items() if value is not None},
        "lost": [{"first": gap.first, "last": gap.last, "why": gap.why} for gap in report.lost],
        **(
            {}
            if salvage is None
            else {
                "salvage": {
                    "artifacts": salvage.artifacts,
                    "heads": salvage.heads,
                    "rowsLeftOut": salvage.rows_left_out,
                    "ofEarlierStore": salvage.of_earlier_store,
                    "refused": list(salvage.refused),
                }
            }
        ),
    }
