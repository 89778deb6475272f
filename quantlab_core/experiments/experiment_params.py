"""The blocks of an experiment beside its strategy: portfolio, selection, stress, statistics, sweep and seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from quantlab_core.experiments.selection import Selection, parse_selection, selection_mapping
from quantlab_core.experiments.sweep_config import SweepConfig, parse_sweep, sweep_mapping
from quantlab_core.simulation.config_fields import ConfigFields
from quantlab_core.simulation.portfolio import PORTFOLIO_KEYS, PortfolioConfig, parse_portfolio
from quantlab_core.statistics.statistics_config import StatisticsConfig, parse_statistics, statistics_mapping

PARAM_KEYS = ("portfolio", "selection", "stress", "statistics", "sweep", "seed")
DeadToken = Literal["last_close", "zero"]


@dataclass(frozen=True, slots=True)
class ExperimentParams:
    """The checked ``params`` of an experiment.

    ``dead_token`` says what an end_of_data exit is worth. ``statistics`` is None where the block is not given: values
    without intervals, folds and evidence; it enters the identity only where it is given. A ``sweep`` always has
    statistics: whoever chooses from many must say what is left of the best. ``seed`` is for statistics that draw random
    numbers; it is recorded with the experiment and part of its identity.
    """

    portfolio: PortfolioConfig = field(default_factory=PortfolioConfig)
    selection: Selection = field(default_factory=Selection)
    dead_token: DeadToken = "last_close"  # noqa: S105 - a token is a coin here
    statistics: StatisticsConfig | None = None
    sweep: SweepConfig | None = None
    seed: int = 0


def parse_params(mapping: Mapping[str, Any]) -> ExperimentParams:
    """The parameters that ``mapping`` describes. Raises InvalidInputError naming the key."""
    fields = ConfigFields("params", mapping, PARAM_KEYS)
    stress = ConfigFields("stress", fields.block("stress"), ("dead_token",))
    sweep = parse_sweep(fields.block("sweep")) if "sweep" in fields else None
    has_statistics = "statistics" in fields or sweep is not None
    statistics = parse_statistics(fields.block("statistics")) if has_statistics else None
    if sweep is not None and statistics is not None and sweep.choose_by == "mean_return_low" and not statistics.samples:
        raise fields.refuse("sweep", "is chosen by mean_return_low, which needs statistics with bootstrap samples")
    return ExperimentParams(
        portfolio=parse_portfolio(fields.block("portfolio")),
        selection=parse_selection(fields.block("selection")),
        dead_token=cast(DeadToken, stress.choice("dead_token", "last_close", ("last_close", "zero"))),
        statistics=statistics,
        sweep=sweep,
        seed=fields.whole("seed") or 0,
    )


def params_mapping(params: ExperimentParams) -> dict[str, Any]:
    """The canonical mapping of ``params``, defaults written out; the inverse of `parse_params`."""
    portfolio = {key: getattr(params.portfolio, key) for key in PORTFOLIO_KEYS}
    mapping: dict[str, Any] = {
        "portfolio": {key: value for key, value in portfolio.items() if value is not None},
        "selection": selection_mapping(params.selection),
        "stress": {"dead_token": params.dead_token},
        "seed": params.seed,
    }
    if params.statistics is not None:
        mapping["statistics"] = statistics_mapping(params.statistics)
    if params.sweep is not None:
        mapping["sweep"] = sweep_mapping(params.sweep)
    return mapping
