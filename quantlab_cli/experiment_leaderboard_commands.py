"""``quantlab experiments leaderboard``: completed experiments by what is likely to hold."""

from __future__ import annotations

from typing import Any

import click

from quantlab_cli.experiment_commands import experiments
from quantlab_cli.lake_command import Invocation
from quantlab_cli.tables import Column, Format, format_option, json_keys, show_rows

COLUMNS = (
    Column("rank", "rank", is_number=True),
    Column("experimentId", "experiment id", shrinks=True),
    Column("nSets", "sets\ntried", is_number=True),
    Column("nTrades", "trades", is_number=True),
    Column("meanReturnLow", "mean at\nleast", is_number=True),
    Column("meanReturn", "mean\nreturn", is_number=True),
    Column("medianReturn", "median\nreturn", is_number=True),
    Column("winRate", "win\nrate", is_number=True),
    Column("maxDrawdown", "max\ndrawdown", is_number=True),
    Column("tailShareTop1pct", "from best\n1 %", is_number=True),
    Column("dsr", "dsr", is_number=True),
    Column("pbo", "pbo", is_number=True),
)
PERCENT = ("meanReturnLow", "meanReturn", "medianReturn", "winRate", "maxDrawdown", "tailShareTop1pct")


@experiments.command("leaderboard")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the best first."
)
@format_option
@click.pass_obj
def leaderboard(invocation: Invocation, limit: int, output_format: Format) -> None:
    """Rank completed experiments by the lower bound of their mean return.

    An experiment without bounds (no statistics block, or fewer than 20 tokens) comes after those with one. A sweep
    stands there with its chosen set. docs/metrics.md has the formulas.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus
    from quantlab_core.leaderboards.experiment_leaderboard import experiment_leaderboard
    from quantlab_resources.experiments.completed_results import result_table

    lab = existing_lake(invocation)
    completed = lab.experiments.list(ExperimentFilter(status=ExperimentStatus.COMPLETED, limit=None))
    metrics = {
        one.definition.experiment_id: result_table(lab.artifacts, one, "metrics")
        for one in completed
        if one.outputs is not None and one.outputs.metrics_artifact_id is not None
    }
    rows = [json_keys(row) for row in experiment_leaderboard(metrics).to_pylist()]
    shown = [percents(row, PERCENT) if output_format == "table" else row for row in rows[:limit]]
    show_rows(shown, COLUMNS, output_format, nothing="no experiment is completed yet")
    if len(rows) > limit:
        click.echo(f"the list is cut at {limit} of {len(rows):,}; --limit shows more", err=True)


def percents(row: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """The row with fractions as people read them."""
    return {**row, **{key: None if row[key] is None else format(row[key], ".1%") for key in keys}}
