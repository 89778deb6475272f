"""``quantlab lake lineage``: what was published goes out as OpenLineage events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.lake_commands import lake
from quantlab_cli.tables import number_of, show_json, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantlab_resources.lab import Lab
    from quantlab_resources.openlineage.configured_lineage import Lineage
    from quantlab_resources.openlineage.lineage_destination import LineageDestination
    from quantlab_resources.openlineage.send_lineage import LineageReport


@lake.group("lineage", cls=LakeGroup)
def lineage() -> None:
    """Send what was published, and from what, to an OpenLineage receiver."""


def destination_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--to`` and ``--format``."""
    function = click.option(
        "--format",
        "output_format",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        help="A sentence for people, or all fields as JSON.",
    )(function)
    return click.option(
        "--to",
        "named",
        metavar="URL|FILE",
        help="http(s)://host:port, or a file for JSON lines  [default: QUANTLAB_OPENLINEAGE]",
    )(function)


@lineage.command("send")
@destination_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Send at most so many events.")
@click.pass_obj
def send(invocation: Invocation, named: str | None, output_format: str, limit: int | None) -> None:
    """Send the events that wait, oldest first. A second call finds nothing to send.

    An endpoint's key comes from QUANTLAB_OPENLINEAGE_API_KEY.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.openlineage.send_lineage import send_lineage

    lab = existing_lake(invocation)
    destination, parts = _destination(lab, named)
    report = send_lineage(parts.outbox, destination, parts.positions, limit=limit)
    if output_format == "json":
        show_json(_json(report) | {"sent": report.sent})
    else:
        click.echo(f"{number_of(report.sent, 'event')} sent to {shown(report.destination)}; {_standing(report)}")


@lineage.command("status")
@destination_options
@click.pass_obj
def status(invocation: Invocation, named: str | None, output_format: str) -> None:
    """Say how far a receiver was told, and what waits. Nothing is sent."""
    from quantlab_cli.open_lake import existing_lake
    from quantlab_resources.openlineage.send_lineage import lineage_status

    lab = existing_lake(invocation)
    destination, parts = _destination(lab, named)
    report = lineage_status(parts.outbox, destination, parts.positions)
    if output_format == "json":
        show_json(_json(report))
    else:
        last = f"; last sent at {report.at}" if report.at else "; nothing was ever sent there"
        click.echo(f"{shown(report.destination)}: {_standing(report)}{last}")


def _destination(lab: Lab, named: str | None) -> tuple[LineageDestination, Lineage]:
    from quantlab_resources.openlineage.configured_lineage import (
        DESTINATION_VARIABLE,
        configured_destination,
        lineage_of,
    )

    destination = configured_destination(lab, named)
    if destination is None:
        raise click.UsageError(f"no receiver is named; give --to or set {DESTINATION_VARIABLE}")
    return destination, lineage_of(lab)


def _standing(report: LineageReport) -> str:
    waiting = f"{number_of(report.waiting, 'change')} of the lake {'waits' if report.waiting == 1 else 'wait'}"
    return (
        f"it has all up to change {report.sequence} of {report.last}, {waiting if report.waiting else 'nothing waits'}"
    )


def _json(report: LineageReport) -> dict[str, Any]:
    return {
        "destination": report.destination,
        "sentUpTo": report.sequence,
        "lastChange": report.last,
        "waitingChanges": report.waiting,
        "lastSentAt": report.at,
    }
