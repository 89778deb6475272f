"""``quantlab callers``: who called, and which names and ids are one person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.lake_command import Invocation, LakeGroup
from quantlab_cli.tables import Column, Format, format_option, number_of, show_rows, show_some

if TYPE_CHECKING:
    from quantlab_core.alerts.callers import Caller

CALLER_COLUMNS = (
    Column("caller", "caller"),
    Column("alias", "by alias"),
    Column("ids", "ids", shrinks=True),
    Column("names", "names", shrinks=True),
    Column("calls", "calls", is_number=True),
    Column("firstCall", "first call (UTC)"),
    Column("lastCall", "last call (UTC)"),
)
MOST_NAMED = 20


@click.group(cls=LakeGroup)
def callers() -> None:
    """See who called, and say which names and ids are one person."""


@callers.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many callers.")
@format_option
@click.pass_obj
def list_callers(invocation: Invocation, limit: int, output_format: Format) -> None:
    """List the persons behind the alerts, most calls first, with every id and name that they called under."""
    from quantlab_assets.workflows.alias_callers import current_alerts
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.alerts.callers import callers_of
    from quantlab_core.alerts.stored_aliases import aliases_in, current_aliases

    store = existing_lake(invocation).artifacts
    found = callers_of(current_alerts(store), aliases_in(store, current_aliases(store)))
    is_table = output_format == "table"
    rows = [_row(caller, is_table) for caller in found[:limit]]
    show_rows(rows, CALLER_COLUMNS, output_format, nothing="there are no calls yet")
    if len(found) > limit:
        click.echo(f"the list is cut at {limit} of {len(found):,}; --limit shows more", err=True)


@callers.command("alias")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.pass_obj
def alias(invocation: Invocation, file: Path) -> None:
    """Take in a list of aliases, in place of the last one, and count the calls of persons anew.

    FILE is YAML, `callers: {ann: [user7, "Ann B."]}`: each caller with the sender ids and names that are its own.
    """
    from quantlab_assets.workflows.alias_callers import alias_callers
    from quantlab_cli.open_lake import running_on_new_or_existing

    with running_on_new_or_existing(invocation) as runs:
        report = alias_callers(runs, file)
    persons = number_of(len(set(report.aliases.by_name.values())), "caller")
    decided = sum(report.calls_by_alias.values())
    state = "current now" if report.is_new else "was there already"
    click.echo(f"caller aliases {report.artifact_id}: {persons}, {state}")
    click.echo(f"{decided:,} of {number_of(report.calls, 'call')} are theirs")
    unused = [f"{kind} {name}" for (kind, name), calls in report.calls_by_alias.items() if not calls]
    show_some("aliases of which no call is known", unused, most=MOST_NAMED)


def _row(caller: Caller, is_table: bool) -> dict[str, Any]:
    """In a table the ids and names are one text each; JSON and CSV have lists."""
    ids, names = list(caller.ids), list(caller.names)
    return {
        "caller": caller.person,
        "alias": caller.alias_caller,
        "ids": ", ".join(ids) if is_table else ids,
        "names": ", ".join(names) if is_table else names,
        "calls": caller.calls,
        "firstCall": f"{caller.first_call:%Y-%m-%dT%H:%M:%SZ}",
        "lastCall": f"{caller.last_call:%Y-%m-%dT%H:%M:%SZ}",
    }
