"""The job `create_experiment`: one strategy on frozen alerts and candles, created and run."""

from typing import Any

import dagster as dg
from pydantic import Field

from quantlab_assets.launchpad.experiment_inputs import ExperimentInputsConfig, inputs_of, run_if_asked
from quantlab_assets.launchpad.launched_runs import given_path, launched_runs
from quantlab_core.errors import InvalidInputError

EXAMPLE = {"name": "first try", "strategy": "hold_24h", "params": {}, "execute": True}


class ExperimentToCreate(ExperimentInputsConfig):
    """What `quantlab experiments create` is told."""

    name: str = Field(default="first try", description="A name for people.")
    strategy: str = Field(
        default="hold_24h",
        description="A preset (hold_24h, momentum, ladder, tight_stop, dip_buyer), the name or id of a published "
        "strategy, or a .yaml or .json file on Dagster's machine.",
    )
    strategy_values: dict[str, Any] = Field(
        default={},
        description="A strategy written out here, in place of `strategy`; its keys are in docs/strategies.md.",
    )
    params: dict[str, Any] = Field(
        default={},
        description="Blocks beside the strategy: portfolio, selection, stress, statistics, seed. For example "
        "{portfolio: {stake: 50}}; docs/experiments.md has all.",
    )
    alerts_from: str | None = Field(
        default=None, description="Only alerts from then on: a UTC date (2025-05-01), or a time with its zone."
    )
    alerts_to: str | None = Field(
        default=None, description="Only alerts up to then: a date with its whole day, or a time (not included)."
    )
    caller_aliases: str | None = Field(
        default=None, description="Caller aliases by artifact id, or none; without a word, the current ones."
    )
    description: str | None = Field(default=None, description="What it is for.")
    keep_patch: bool = Field(
        default=False, description="Keep what the code has beyond its commit as an artifact of its own."
    )


@dg.op(
    name="experiment",
    required_resource_keys={"lab"},
    description="Freezes alerts, candles and a strategy as an experiment, and runs it.",
)
def create_one_experiment(context: dg.OpExecutionContext, config: ExperimentToCreate) -> None:
    """An equal experiment that exists is shown, not made again."""
    with launched_runs(context, field_of_option={"from": "alerts_from", "to": "alerts_to"}) as runs:
        from quantlab_assets.workflows.create_experiment import create_experiment
        from quantlab_core.experiments.experiment import DateRange
        from quantlab_resources.experiments.experiment_freezing import ExperimentRequest
        from quantlab_resources.strategies.chosen_strategy import chosen_strategy

        lab = runs.lab
        if config.strategy_values:
            chosen: dict[str, Any] = {"strategy": config.strategy_values}
        elif config.strategy:
            chosen = chosen_strategy(lab.artifacts, config.strategy, file_of=lambda text: given_path(lab, text))
        else:
            raise InvalidInputError("no strategy is named; write hold_24h, or write one out in strategy_values")
        request = ExperimentRequest(
            name=config.name,
            **chosen,
            **inputs_of(config),
            caller_aliases=config.caller_aliases,
            date_range=DateRange(config.alerts_from, config.alerts_to),
            params=config.params,
            description=config.description,
            keeps_patch=config.keep_patch,
        )
        run_if_asked(context, runs, create_experiment(runs, request), config)


@dg.job(
    name="create_experiment",
    config={"ops": {"experiment": {"config": EXAMPLE}}},
    executor_def=dg.in_process_executor,
    description="Tries one strategy on every call: freezes the current alerts and candles (or those of some days), "
    "simulates, and writes a report. Runs as it stands; choose another `strategy`, or write one in `strategy_values`.",
)
def create_experiment() -> None:
    """Started from the launchpad."""
    create_one_experiment()
