"""The job `create_sweep`: many parameter sets as one experiment, created and run."""

from typing import Any

import dagster as dg
from pydantic import Field

from quantlab_assets.launchpad.experiment_inputs import ExperimentInputsConfig, inputs_of, run_if_asked
from quantlab_assets.launchpad.launched_runs import given_path, launched_runs
from quantlab_core.errors import InvalidInputError

EXAMPLE = {
    "name": "stops and holds",
    "strategy": "hold_24h",
    "grid": {"stop_loss": [0.2, 0.4], "max_hold_min": [240, 1440]},
}


class SweepToCreate(ExperimentInputsConfig):
    """What `quantlab experiments sweep` is told: a sweep file, or the same written out here."""

    file: str | None = Field(
        default=None,
        description="A sweep file (.yaml or .json) on Dagster's machine: a full path, or one that starts in the lake's "
        "folder `staging`. In place of `sweep`.",
    )
    sweep: dict[str, Any] = Field(
        default=EXAMPLE,
        description="What a sweep file says: name, strategy, and grid, list or random with the keys of the strategy to "
        "vary; choose_by, keep_trades, from, to, portfolio, selection, … as in docs/experiments.md. A strategy is "
        "named or written out.",
    )


@dg.op(
    name="sweep",
    required_resource_keys={"lab"},
    description="Freezes alerts, candles and all parameter sets as one experiment, and runs it.",
)
def create_one_sweep(context: dg.OpExecutionContext, config: SweepToCreate) -> None:
    """An equal sweep that exists is shown, not made again."""
    with launched_runs(context) as runs:
        from quantlab_assets.workflows.create_sweep import create_sweep, read_sweep_file
        from quantlab_core.experiments.sweep_file import parse_sweep_file

        if config.file is None:
            sweep = parse_sweep_file(config.sweep)
        elif config.sweep in ({}, EXAMPLE):
            sweep = read_sweep_file(given_path(runs.lab, config.file))
        else:
            raise InvalidInputError("file and sweep exclude each other; leave out one of them")
        run_if_asked(context, runs, create_sweep(runs, sweep, **inputs_of(config)), config)


@dg.job(
    name="create_sweep",
    config={"ops": {"sweep": {"config": {"sweep": EXAMPLE, "execute": True}}}},
    executor_def=dg.in_process_executor,
    description="Tries many parameter sets of a strategy as one experiment, and says what the best of so many is "
    "worth. Runs as it stands: four sets of hold_24h.",
)
def create_sweep() -> None:
    """Started from the launchpad."""
    create_one_sweep()
