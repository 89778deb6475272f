"""Running an experiment: alerts and candles in, five result tables out. The same inputs give the same tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.coverage_policy import with_coverage_policy
from quantlab_core.experiments.diagnostics import diagnostics_table
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.experiment_alerts import ExperimentAlerts, calls_of, experiment_alerts
from quantlab_core.experiments.late_edits import is_beyond_candles
from quantlab_core.experiments.result_rows import curves_table, fills_table, metrics_table, trades_table
from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.simulation.compiled.simulate_calls import simulate_calls
from quantlab_core.simulation.metrics import experiment_metrics
from quantlab_core.simulation.outcome_codes import EDIT_BEYOND_CANDLES, EXCLUDED, NO_REASON
from quantlab_core.simulation.portfolio_of_columns import portfolio_of_columns
from quantlab_core.simulation.trade_columns import TradeColumns
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class ExperimentTables:
    """The results of one run, each in the schema of its artifact type and in sort-key order.

    Only a sweep has ``parameter_sets``.
    """

    trades: pa.Table
    fills: pa.Table
    curves: pa.Table
    metrics: pa.Table
    diagnostics: pa.Table
    parameter_sets: pa.Table | None = None


def run_experiment(
    *,
    experiment_id: str,
    config: ExperimentConfig,
    alerts: pa.Table,
    candles: CandlePack | Mapping[Token, pa.Table],
    aliases: CallerAliases = NO_ALIASES,
) -> ExperimentTables:
    """Simulate every alert of the range and make the result tables.

    ``alerts`` has the alerts schema; their order does not matter. ``candles`` is a pack, or a table of the token
    candles schema for each token that has any; its schema metadata hold ``resolution`` and ``source_spans``.
    ``aliases`` say which callers are one person. Raises StrategyError or InvalidInputError for a configuration that is
    refused, InvalidInputError for an alert that occurs twice or candles without resolution, for alerts whose coverage
    the selection refuses, and for a sweep, which `run_sweep` runs.
    """
    checked = check_config(config)
    if checked.params.sweep is not None:
        raise InvalidInputError(f"experiment {experiment_id} is a sweep of many parameter sets; run_sweep runs it")
    listed = experiment_alerts(alerts, checked, aliases)
    pack = pack_of(candles, listed)
    listed = with_coverage_policy(listed, pack, checked.params.selection.coverage, [checked.strategy])
    trades = simulated_trades(listed, pack, checked)
    portfolio_of = portfolio_of_columns(trades, checked.params.portfolio, checked.strategy.stake)
    portfolio = portfolio_of(np.arange(len(trades)))
    return ExperimentTables(
        trades=trades_table(experiment_id, trades),
        fills=fills_table(trades),
        curves=curves_table(portfolio.curve),
        metrics=metrics_table(experiment_metrics(trades, portfolio_of, checked.metric_statistics())),
        diagnostics=diagnostics_table(
            trades,
            portfolio,
            checked.params.dead_token,
            n_outside_range=listed.n_outside_range,
            n_edits_unknown=listed.n_edits_unknown,
        ),
    )


def simulated_trades(alerts: ExperimentAlerts, pack: CandlePack, checked: CheckedConfig) -> TradeColumns:
    """What the strategy does with every alert: one row each, those that are left out included.

    Raises InvalidInputError where the candles of a token that is traded are at fault.
    """
    calls = calls_of(alerts, pack)
    is_excluded = alerts.exclusion != NO_REASON
    simulated = simulate_calls(pack, calls, checked.strategy, dead_price=checked.params.dead_token)
    is_beyond = is_beyond_candles(pack, calls, simulated.reason, checked.strategy, is_lagged=alerts.is_lagged)
    reason = np.where(is_beyond, np.int8(EDIT_BEYOND_CANDLES), simulated.reason)
    return TradeColumns(
        alerts=alerts.columns,
        status=np.where(is_excluded, np.int8(EXCLUDED), simulated.status),
        reason=np.where(is_excluded, alerts.exclusion, reason),
        positions=simulated.positions,
        legs=simulated.legs,
    )


def pack_of(candles: CandlePack | Mapping[Token, pa.Table], alerts: ExperimentAlerts) -> CandlePack:
    """``candles`` as a pack; of tables only the series of the tokens that are traded, no other is read."""
    if isinstance(candles, CandlePack):
        return candles
    return CandlePack.from_tables({token: candles[token] for token in alerts.wanted_tokens if token in candles})
