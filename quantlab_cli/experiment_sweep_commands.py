"""``quantlab experiments sweep``: many parameter sets as one experiment, the best of them, and what that is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quantlab_cli.experiment_arguments import input_options
from quantlab_cli.experiment_commands import experiments, show_experiment
from quantlab_cli.lake_command import Invocation
from quantlab_cli.tables import (
    Column,
    Format,
    format_option,
    json_keys,
    number_of,
    show_csv,
    show_json,
    show_table,
    shown,
)

if TYPE_CHECKING:
    from quantlab_assets.workflows.execute_experiment import Execution
    from quantlab_core.experiments.experiment import Experiment
    from quantlab_core.experiments.sweep_map import SweepMap
    from quantlab_resources.experiments.experiment_freezing import DaySelection
    from quantlab_resources.lab import Lab

MOST_SHOWN = 10
WIDEST_MAP = 16
"""A map with more columns than that does not fit a terminal."""
SET_COLUMNS = (
    Column("rank", "rank", is_number=True),
    Column("paramId", "set"),
    Column("parameters", "parameters", shrinks=True),
    Column("measure", "measure", is_number=True),
    Column("nTrades", "trades", is_number=True),
    Column("meanReturn", "mean\nreturn", is_number=True),
    Column("meanReturnLow", "at\nleast", is_number=True),
    Column("medianReturn", "median\nreturn", is_number=True),
    Column("winRate", "win\nrate", is_number=True),
    Column("profitFactor", "profit\nfactor", is_number=True),
    Column("tailShareTop1pct", "from best\n1 %", is_number=True),
)
_PERCENT = ("meanReturn", "meanReturnLow", "medianReturn", "winRate", "tailShareTop1pct")
_SWEEP_CODES = ("chosen_from_sets", "dsr", "pbo", "tail_share", "sets_left_out", "sets_merged")


@experiments.command("sweep")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--execute/--no-execute", "does_execute", default=True, show_default=True, help="Run it, or only create it."
)
@input_options
@click.option("--id", "experiment_id", metavar="ID", help="Its id  [default: made from name and definition]")
@format_option
@click.pass_obj
def sweep(
    invocation: Invocation,
    file: Path,
    does_execute: bool,
    alerts: tuple[str, ...],
    ohlcv: tuple[str, ...],
    selection: DaySelection | None,
    experiment_id: str | None,
    output_format: Format,
) -> None:
    """Try every parameter set of a sweep file as one experiment, and show the best.

    FILE is YAML or JSON; docs/experiments.md says what it holds. An equal sweep that exists is shown instead of made
    again. JSON and CSV list all sets.
    """
    from quantlab_cli.open_lake import existing_lake, running

    lab = existing_lake(invocation)

    from quantlab_assets.workflows.create_sweep import create_sweep, read_sweep_file
    from quantlab_assets.workflows.execute_experiment import execute_experiment

    read = read_sweep_file(file)
    with running(lab) as runs:
        experiment = create_sweep(
            runs, read, alerts=alerts, ohlcv=ohlcv, selection=selection, experiment_id=experiment_id
        )
        made = experiment.definition.experiment_id
        execution = execute_experiment(runs, made) if does_execute else None
    if execution is None:
        show_experiment(lab, experiment, output_format)
        if output_format == "table" and experiment.status == "pending":
            click.echo(f"run it: quantlab experiments execute {made}")
        return
    _show(lab, execution, output_format)


def _show(lab: Lab, execution: Execution, output_format: Format) -> None:
    from quantlab_resources.experiments.completed_results import result_table

    sets = result_table(lab.artifacts, execution.experiment, "parameter_sets")
    ranked = sorted(sets.to_pylist(), key=lambda row: (row["rank"] is None, row["rank"], row["param_id"]))
    rows = [json_keys(row) for row in ranked]
    if output_format == "json":
        from quantlab_cli.json_shapes import experiment_json

        show_json(
            {
                **experiment_json(execution.experiment),
                "parameterSets": [{key: value for key, value in row.items() if value is not None} for row in rows],
                "report": str(execution.report),
            }
        )
        return
    if output_format == "csv":
        show_csv(rows, [])
        return
    from quantlab_core.experiments.sweep_map import sweep_map

    if execution.was_completed_before:
        click.echo(f"{execution.experiment.definition.experiment_id} was completed before; these are its results")
    tried = [row for row in rows if row["rank"] is not None]
    click.echo(f"{number_of(len(tried), 'parameter set')} tried, ranked by {rows[0]['chooseBy']}")
    show_table([_shown_row(row) for row in tried[:MOST_SHOWN]], SET_COLUMNS)
    drawn = sweep_map(sets)
    if drawn is not None and len(drawn.columns) <= WIDEST_MAP:
        click.echo()
        _show_map(drawn)
    click.echo()
    for message in _messages(lab, execution.experiment):
        click.echo(shown(message))
    click.echo(f"report: {shown(execution.report)}")


def _messages(lab: Lab, experiment: Experiment) -> list[str]:
    from quantlab_resources.experiments.completed_results import result_table

    rows = result_table(lab.artifacts, experiment, "diagnostics").to_pylist()
    return [f"{row['level']}: {row['message']}" for row in rows if row["code"] in _SWEEP_CODES]


def _shown_row(row: dict[str, Any]) -> dict[str, Any]:
    percents = {key: "-" if row[key] is None else format(row[key], ".1%") for key in _PERCENT}
    return {**row, **percents, "parameters": row["parameters"].strip("{}").replace('"', "")}


def _show_map(drawn: SweepMap) -> None:
    """A line per value of one key; cells are shaded by their rank from worst to best, the chosen one is marked."""
    from rich.text import Text

    from quantlab_cli.tables import console

    known = sorted({value for line in drawn.values for value in line if value is not None})
    shade = {value: 232 + 4 + round(16 * index / max(1, len(known) - 1)) for index, value in enumerate(known)}
    texts = [[_map_cell(drawn, row, column) for column in range(len(drawn.columns))] for row in range(len(drawn.rows))]
    width = max(len(text) for line in [*texts, list(drawn.columns)] for text in line) + 1
    names = max(map(len, [*drawn.rows, drawn.row_key]))
    screen = console()
    screen.print(Text(f"{drawn.measure} by {drawn.row_key} (down) and {drawn.column_key} (across); * was chosen"))
    screen.print(Text(" " * names + "".join(label.rjust(width) for label in drawn.columns)))
    for row, label in enumerate(drawn.rows):
        line = Text(label.rjust(names))
        for value, text in zip(drawn.values[row], texts[row], strict=True):
            style = "" if value is None else f"{'black' if shade[value] > 244 else 'white'} on color({shade[value]})"
            line.append(text.rjust(width), style)
        screen.print(line)


def _map_cell(drawn: SweepMap, row: int, column: int) -> str:
    value = drawn.values[row][column]
    return f"{'*' if (row, column) == drawn.chosen else ''}{'-' if value is None else format(value, '.3g')}"
