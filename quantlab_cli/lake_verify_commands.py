"""``quantlab lake verify``: check every byte of a lake, and move aside what is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.errors_to_exit_status import FAILED
from quantlab_cli.lake_command import Invocation
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import Format, format_option, show_csv, show_json, shown, size_text
from quantlab_core.errors import QuantlabError

if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact import Artifact
    from quantlab_resources.artifacts.upkeep.artifact_check import Problem
    from quantlab_resources.artifacts.upkeep.quarantine import QuarantineReport
    from quantlab_resources.artifacts.upkeep.verification import VerificationReport

MOST_LINES = 50
"""So many damaged or affected artifacts are listed; --format json has all."""

PROBLEM_FIELDS = ("kind", "artifactId", "path", "detail")


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


@lake.command("verify")
@click.option("--deep", is_flag=True, help="Also decode every table and compare its content hash.")
@click.option("--subset", type=Subset(), default="1/1", metavar="N/T", help="Check the N-th of T parts only.")
@click.option("--quarantine", "moves", is_flag=True, help="Move damaged tables and raw files out of use.")
@format_option
@click.pass_obj
def verify_lake(
    invocation: Invocation, deep: bool, subset: tuple[int, int], moves: bool, output_format: Format
) -> None:
    """Check every stored byte against the manifest; status 1 when something is damaged."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_cli.progress_bars import counted
    from quantlab_resources.artifacts.upkeep.quarantine import quarantine
    from quantlab_resources.artifacts.upkeep.verification import verify

    store = existing_lake(invocation).artifacts
    with counted("Verifying") as progress:
        report = verify(store, deep=deep, subset=subset, progress=progress)
    outcome, refusal = None, None
    if moves:
        try:
            outcome = quarantine(store, report)
        except QuantlabError as error:
            refusal = error  # what was found is shown all the same, and first
    if output_format == "json":
        show_json(report_json(report) | ({} if outcome is None else {"quarantine": _quarantine_json(outcome)}))
    elif output_format == "csv":
        show_csv([_problem_json(problem) for problem in report.problems], PROBLEM_FIELDS)
    else:
        show_report(report)
        if outcome is not None:
            _show_quarantine(outcome, report)
    if refusal is not None:
        raise refusal
    if not report.is_whole:
        raise SystemExit(FAILED)


def show_report(report: VerificationReport) -> None:
    """What a verification checked and found, for a person."""
    click.echo(
        f"checked {report.artifacts_checked:,} artifacts ({size_text(report.bytes_checked)})"
        f" and {report.events_checked:,} manifest events"
    )
    if report.orphans:
        click.echo(f"{report.orphans:,} files belong to no artifact; `quantlab lake recover` clears them away")
    if report.is_whole:
        click.echo("every byte is as the manifest says")
        return
    click.echo(f"{len(report.problems):,} problems:")
    for problem in report.problems[:MOST_LINES]:
        click.echo(f"  {problem.kind.value:<10} {problem.artifact_id or '-'}  {shown(problem.detail)}")
    _say_more(len(report.problems))
    _show_downstream(report.downstream, "what is damaged or missing")


def _show_quarantine(outcome: QuarantineReport, report: VerificationReport) -> None:
    click.echo(f"moved {len(outcome.moved):,} files to quarantine{':' if outcome.moved else ''}")
    for file in outcome.moved[:MOST_LINES]:
        click.echo(f"  {shown(file.path)} -> {shown(file.kept_at)}")
    _say_more(len(outcome.moved))
    if outcome.left:
        click.echo(f"left {len(outcome.left):,} damaged files of the adopted lake where they are: they are not ours")
    if outcome.healed:
        click.echo(f"{len(outcome.healed):,} artifacts were whole again by then")
    if outcome.moved:
        told = {artifact.artifact_id for artifact in report.downstream}
        untold = tuple(artifact for artifact in outcome.downstream if artifact.artifact_id not in told)
        _show_downstream(untold, "what was moved")
        click.echo("publishing the same content again puts good bytes in their place")


def _show_downstream(artifacts: tuple[Artifact, ...], origin: str) -> None:
    if artifacts:
        click.echo(f"{len(artifacts):,} artifacts were made from {origin}:")
        for artifact in artifacts[:MOST_LINES]:
            click.echo(f"  {artifact.artifact_id}  {artifact.artifact_type}  {shown(artifact.logical_key)}")
        _say_more(len(artifacts))


def _say_more(number: int) -> None:
    if number > MOST_LINES:
        click.echo(f"  … and {number - MOST_LINES:,} more; --format json lists all")


def report_json(report: VerificationReport) -> dict[str, Any]:
    """The same for a program, with every problem."""
    from quantlab_cli.json_shapes import artifact_json

    return {
        "deep": report.run.is_deep,
        "subset": f"{report.run.part}/{report.run.parts}",
        "artifactsChecked": report.artifacts_checked,
        "eventsChecked": report.events_checked,
        "bytesChecked": report.bytes_checked,
        **({} if report.orphans is None else {"orphans": report.orphans}),
        "problems": [_problem_json(problem) for problem in report.problems],
        "downstream": [artifact_json(artifact) for artifact in report.downstream],
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "kind": problem.kind.value,
        **({} if problem.artifact_id is None else {"artifactId": problem.artifact_id}),
        "path": problem.path,
        "detail": problem.detail,
    }


def _quarantine_json(outcome: QuarantineReport) -> dict[str, Any]:
    from quantlab_cli.json_shapes import artifact_json

    return {
        "moved": [
            {"artifactIds": list(file.artifact_ids), "path": file.path, "keptAt": file.kept_at}
            for file in outcome.moved
        ],
        "leftInPlace": [_problem_json(problem) for problem in outcome.left],
        "healed": list(outcome.healed),
        "downstream": [artifact_json(artifact) for artifact in outcome.downstream],
    }
