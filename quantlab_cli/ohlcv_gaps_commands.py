"""``quantlab ohlcv gaps``: which candles to ask the source for again, and asking for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.coverage_commands import NOTHING_MEASURED
from quantlab_cli.lake_command import Invocation
from quantlab_cli.ohlcv_commands import ohlcv
from quantlab_cli.refresh_news import show_refusals
from quantlab_cli.run_settings import check_refresh_settings
from quantlab_cli.tables import Column, Format, format_option, number_of, show_csv, show_json, show_table

if TYPE_CHECKING:
    from quantlab_assets.workflows.fetch_gaps import FetchedGaps
    from quantlab_core.coverage.worklist import Missing, Worklist

LISTED = 100
DEFAULT_ATTEMPTS = 3
FIELDS = (
    "day",
    "chain",
    "token",
    "alerts",
    "missingMinutes",
    "missingFrom",
    "missingTo",
    "reason",
    "attempts",
    "lastAsked",
    "isGivenUp",
)
COLUMNS = (
    Column("day", "day of the call"),
    Column("chain", "chain", shrinks=True),
    Column("token", "token", shrinks=True),
    Column("alerts", "alerts", is_number=True),
    Column("missing", "missing", is_number=True),
    Column("reason", "why"),
    Column("attempts", "asked\nin vain", is_number=True),
    Column("lastAsked", "last answer (UTC)"),
)
REASONS = {
    "never_asked": "never asked",
    "asked_too_early": "asked too early",
    "no_answer": "not known to the source",
    "partly_answered": "answered in part",
}


@ohlcv.command("gaps")
@click.option("--fetch", is_flag=True, help="Ask the source for them again, and bring up to date what rests on them.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Only the first N: those that most alerts need  [default: list {LISTED}, fetch all]",
)
@click.option(
    "--attempts",
    type=click.IntRange(min=1),
    default=DEFAULT_ATTEMPTS,
    show_default=True,
    metavar="N",
    help="Give a slice up once it was asked for N times in vain.",
)
@click.option(
    "--all", "with_given_up", is_flag=True, help="List what was given up too; with --fetch, ask for it once more."
)
@format_option
@click.pass_obj
def gaps(
    invocation: Invocation, fetch: bool, limit: int | None, attempts: int, with_given_up: bool, output_format: Format
) -> None:
    """List the slices whose minutes alerts need and no source gave, or ask for them again.

    A slice is a token's candles for one day of calls. Silence is no gap: only what the source was not asked for, or did
    not answer for.
    """
    from quantlab_cli.open_lake import existing_lake, running
    from quantlab_resources.coverage.current_coverage import current_worklist

    lab = existing_lake(invocation)
    if fetch:
        check_refresh_settings(invocation)

        from quantlab_assets.workflows.fetch_gaps import fetch_gaps

        with running(lab) as runs:
            fetched = fetch_gaps(runs, limit=limit, most_attempts=attempts, with_given_up=with_given_up)
            _show_fetched(fetched, output_format)
            show_refusals(runs, err=True)
        return
    found = current_worklist(lab, most_attempts=attempts)
    _show_worklist(found, limit or LISTED, output_format, with_given_up=with_given_up)


def _show_worklist(found: Worklist | None, limit: int, output_format: Format, *, with_given_up: bool) -> None:
    due, given_up = ((), ()) if found is None else (found.due, found.given_up)
    listed = [(missing, False) for missing in due] + [(missing, True) for missing in given_up if with_given_up]
    rows = [_row(missing, is_given_up=is_given_up) for missing, is_given_up in listed[:limit]]
    is_cut = len(listed) > limit
    if output_format == "json":
        show_json(
            {
                "dueCount": len(due),
                "givenUpCount": len(given_up),
                "waitingCount": 0 if found is None else found.waiting,
                "beforeFirstDayCount": 0 if found is None else found.before_first_day,
                "isCut": is_cut,
                "slices": rows,
            }
        )
    elif output_format == "csv":
        show_csv(rows, FIELDS)
    elif found is None:
        click.echo(NOTHING_MEASURED)
    else:
        _show_table(listed[:limit], found, with_given_up=with_given_up)
    if is_cut:
        click.echo(f"the list is cut at {limit}; --limit shows more", err=True)


def _show_table(listed: Sequence[tuple[Missing, bool]], found: Worklist, *, with_given_up: bool) -> None:
    from quantlab_resources.reports.number_text import duration, instant

    if listed:
        show_table(
            [
                {
                    "day": str(missing.day),
                    "chain": missing.token.chain,
                    "token": missing.token.address,
                    "alerts": missing.alerts,
                    "missing": duration(missing.minutes * 60),
                    "reason": f"{REASONS[missing.reason]}{'; given up' if is_given_up else ''}",
                    "attempts": missing.attempts,
                    "lastAsked": None if missing.last_asked is None else instant(missing.last_asked),
                }
                for missing, is_given_up in listed
            ],
            COLUMNS,
        )
        click.echo()
    if found.due:
        days = number_of(len(found.days()), "day")
        click.echo(f"{number_of(len(found.due), 'slice')} of {days} to ask for again; --fetch does it")
    else:
        click.echo("nothing to ask for again")
    if found.given_up and not with_given_up:
        click.echo(f"{number_of(len(found.given_up), 'slice')} given up after asking in vain; --all lists them")
    if found.waiting:
        waiting = number_of(found.waiting, "slice")
        click.echo(f"{waiting} of calls whose 48 hours are still running, to be asked for when they are over")
    if found.before_first_day:
        before = number_of(found.before_first_day, "slice")
        click.echo(f"{before} of days before QUANTLAB_FIRST_DAY, which cannot be asked for")


def _show_fetched(fetched: FetchedGaps, output_format: Format) -> None:
    facts = {
        "slices": fetched.slices,
        "days": [str(day) for day in fetched.days],
        "complete": fetched.complete,
        "missingMinutesBefore": fetched.minutes_before,
        "missingMinutesNow": fetched.minutes_now,
    }
    if output_format == "json":
        show_json(facts)
    elif output_format == "csv":
        show_csv([facts], list(facts))
    elif not fetched.slices:
        click.echo("nothing to ask for again")
    else:
        click.echo(
            f"asked again for {number_of(fetched.slices, 'slice')} of {number_of(len(fetched.days), 'day')}: "
            f"{fetched.complete:,} complete now; missing minutes went from {fetched.minutes_before:,} "
            f"to {fetched.minutes_now:,}"
        )


def _row(missing: Missing, *, is_given_up: bool) -> dict[str, Any]:
    from quantlab_core.artifacts.timestamp_text import format_timestamp

    last_asked = {} if missing.last_asked is None else {"lastAsked": format_timestamp(missing.last_asked)}
    return {
        "day": str(missing.day),
        "chain": missing.token.chain,
        "token": missing.token.address,
        "alerts": missing.alerts,
        "missingMinutes": missing.minutes,
        "missingFrom": format_timestamp(missing.start),
        "missingTo": format_timestamp(missing.end),
        "reason": missing.reason,
        "attempts": missing.attempts,
        **last_asked,
        "isGivenUp": is_given_up,
    }
