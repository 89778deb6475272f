"""``quantlab callers leaderboard``: what each caller's calls did, and what to expect of the next one."""

from __future__ import annotations

import click

from quantlab_cli.caller_commands import callers
from quantlab_cli.experiment_leaderboard_commands import percents
from quantlab_cli.lake_command import Invocation
from quantlab_cli.tables import Column, Format, format_option, json_keys, show_rows

COLUMNS = (
    Column("rank", "rank", is_number=True),
    Column("caller", "caller", shrinks=True),
    Column("nCalls", "calls", is_number=True),
    Column("nTrades", "trades", is_number=True),
    Column("nTokens", "tokens", is_number=True),
    Column("score", "score", is_number=True),
    Column("meanReturnLow", "mean at\nleast", is_number=True),
    Column("meanReturn", "mean\nreturn", is_number=True),
    Column("medianReturn", "median\nreturn", is_number=True),
    Column("hitRate2xLow", "2 x at\nleast", is_number=True),
    Column("hitRate2x", "2 x", is_number=True),
    Column("hitRate5x", "5 x", is_number=True),
    Column("medianAthMultiple", "median\ntop", is_number=True),
)
PERCENT = ("score", "meanReturnLow", "meanReturn", "medianReturn", "hitRate2xLow", "hitRate2x", "hitRate5x")


@callers.command("leaderboard")
@click.option(
    "--experiment", "experiment_id", metavar="ID", help="Whose trades  [default: the newest experiment that only holds]"
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many, the best first."
)
@format_option
@click.pass_obj
def leaderboard(invocation: Invocation, experiment_id: str | None, limit: int, output_format: Format) -> None:
    """Rank the callers of one completed experiment by what to expect of their next call.

    The score pulls a caller with few calls towards all others; bounds are those of 95 %. Without --experiment the
    newest completed one is taken that only holds, without stops and targets, else the newest. docs/metrics.md has the
    formulas.
    """
    from quantlab_cli.open_lake import existing_lake
    from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus
    from quantlab_core.leaderboards.board_experiment import board_experiment
    from quantlab_core.leaderboards.caller_statistics import caller_board
    from quantlab_resources.experiments.completed_results import result_table

    lab = existing_lake(invocation)
    if experiment_id is None:
        completed = ExperimentFilter(status=ExperimentStatus.COMPLETED, limit=None)
        experiment = board_experiment(lab.experiments.list(completed))
    else:
        experiment = lab.experiments.get(experiment_id)
    trades, metrics = (result_table(lab.artifacts, experiment, name) for name in ("trades", "metrics"))
    rows = [json_keys(row) for row in caller_board(trades, metrics).to_pylist()]
    if output_format == "table":
        click.echo(f"callers of experiment {experiment.definition.experiment_id}")
    shown = [percents(row, PERCENT) if output_format == "table" else row for row in rows[:limit]]
    show_rows(shown, COLUMNS, output_format, nothing="it has no alerts")
    if len(rows) > limit:
        click.echo(f"the list is cut at {limit} of {len(rows):,}; --limit shows more", err=True)
