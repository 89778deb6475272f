"""An experiment's configuration after all checks, as the engine uses it and as its identity is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quantlab_core.experiments.alert_range import AlertRange, parse_alert_range
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.experiment_params import ExperimentParams, params_mapping, parse_params
from quantlab_core.experiments.parameter_sets import parameter_sets
from quantlab_core.simulation.strategy import Strategy, parse_strategy, strategy_mapping
from quantlab_core.simulation.trade_life import longest_life_us
from quantlab_core.statistics.statistics_config import MetricStatistics


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """Strategy, range and parameters of one experiment."""

    strategy: Strategy
    alert_range: AlertRange
    params: ExperimentParams

    def identity(self) -> dict[str, Any]:
        """All that can change a result, in canonical form: two configurations that mean the same have the same one.

        The strategy's name and description are words about it and left out.
        """
        strategy = strategy_mapping(self.strategy)
        strategy.pop("name", None)
        strategy.pop("description", None)
        return {"strategy": strategy, "dateRange": self.alert_range.mapping(), "params": params_mapping(self.params)}

    def strategies(self) -> tuple[Strategy, ...]:
        """All strategies that are tried: the only one, or those of the sweep. Raises InvalidInputError without any."""
        if self.params.sweep is None:
            return (self.strategy,)
        return tuple(one.strategy for one in parameter_sets(self.strategy, self.params.sweep).sets)

    def metric_statistics(self) -> MetricStatistics | None:
        """What the metrics are to hold beyond values; None where the experiment has no ``statistics`` block."""
        if self.params.statistics is None:
            return None
        return MetricStatistics(self.params.statistics, self.params.seed, longest_life_us(self.strategy))


def check_config(config: ExperimentConfig) -> CheckedConfig:
    """Check the whole configuration. Raises StrategyError or InvalidInputError naming the key."""
    return CheckedConfig(
        strategy=parse_strategy(config.strategy),
        alert_range=parse_alert_range(config.date_range),
        params=parse_params(config.params),
    )
