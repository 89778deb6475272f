"""What a refresh has to tell beside its results: what it left out, and which candles a source has revised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quantlab_cli.tables import number_of, show_some

if TYPE_CHECKING:
    from quantlab_assets.workflows.lake_runs import LakeRuns
    from quantlab_assets.workflows.refresh_research import RefreshReport

SHOWN = 10


def show_refresh(runs: LakeRuns, report: RefreshReport) -> None:
    """How many candles are other ones now, and what was left out; nothing where there is nothing to tell."""
    if report.revised_slices:
        candles = report.candles
        added = number_of(candles.added, "candle")
        click.echo(
            f"{number_of(report.revised_slices, 'slice')} changed since they were fetched before: "
            f"{added} added, {candles.removed:,} removed, {candles.changed:,} with other values"
        )
    show_refusals(runs)


def show_refusals(runs: LakeRuns, *, err: bool = False) -> None:
    """What was left as it was, with the reason: its candles contradict each other, or this source has none of it.

    ``err`` says it on stderr, where stdout is for the results alone.
    """
    lines = list(dict.fromkeys(f"{refusal.subject}: {refusal.reason}" for refusal in runs.refusals))
    show_some(f"{len(lines):,} left as they were", lines, most=SHOWN, rest="the log in Dagster names all", err=err)
