"""Running a sweep: one experiment that tries many parameter sets, chooses one, and says what that choice is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from quantlab_core.alerts.caller_aliases import NO_ALIASES, CallerAliases
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.coverage_policy import with_coverage_policy
from quantlab_core.experiments.diagnostics import diagnostics_table
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.experiment_alerts import calls_of, experiment_alerts
from quantlab_core.experiments.experiment_tables import ExperimentTables, pack_of, simulated_trades
from quantlab_core.experiments.parameter_sets import ParameterSet, parameter_sets
from quantlab_core.experiments.parameter_sets_table import parameter_sets_table
from quantlab_core.experiments.result_rows import curves_table, fills_table, metrics_table, trades_table
from quantlab_core.experiments.sweep_choice import Choice, choose
from quantlab_core.experiments.sweep_diagnostics import sweep_entries
from quantlab_core.experiments.sweep_scores import SetScores, set_scores
from quantlab_core.projections.record_indexes import IndexOf
from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.simulation.metrics import Metric, experiment_metrics
from quantlab_core.simulation.portfolio_of_columns import portfolio_of_columns
from quantlab_core.simulation.trade_columns import TradeColumns
from quantlab_core.statistics.sweep_statistics import SweepStatistics, sweep_statistics
from quantlab_core.token import Token

MOST_TRADES = 2_000_000
"""Rows of trades that a sweep keeps at most (``keep_trades: all``): some 1 GB while they are made."""


def run_sweep(
    *,
    experiment_id: str,
    config: ExperimentConfig,
    alerts: pa.Table,
    candles: CandlePack | Mapping[Token, pa.Table],
    aliases: CallerAliases = NO_ALIASES,
    index_of: IndexOf | None = None,
) -> ExperimentTables:
    """Simulate every alert of the range with every parameter set and make the result tables.

    Trades, fills and curves are those of the chosen set (or of all, with ``keep_trades: all``); metrics are those of
    every set over all alerts, and of the chosen one in every scope, where its ``dsr`` and ``pbo`` have values. The rows
    of a set are those of a single experiment with its strategy, but that coverage is judged by the longest life of all
    sets: all trade the same alerts. ``index_of`` gives record indexes of the pack ``candles``, which are faster to
    search and change no result. Inputs and errors are those of `run_experiment`; raises InvalidInputError, too, when no
    set is a strategy or more trades would be kept than `MOST_TRADES`.
    """
    checked = check_config(config)
    sweep = checked.params.sweep
    if sweep is None:
        raise InvalidInputError(f"experiment {experiment_id} is no sweep; run_experiment runs it")
    found = parameter_sets(checked.strategy, sweep)
    listed = experiment_alerts(alerts, checked, aliases)
    pack = pack_of(candles, listed)
    strategies = [one.strategy for one in found.sets]
    listed = with_coverage_policy(listed, pack, checked.params.selection.coverage, strategies)
    _refuse_too_many_trades(len(found), len(listed), sweep.keep_trades == "all")

    def trades_of(one: ParameterSet) -> TradeColumns:
        return simulated_trades(listed, pack, replace(checked, strategy=one.strategy))

    scores = set_scores(pack, calls_of(listed, pack), listed.columns, found.sets, checked, trades_of, index_of)
    choice = choose(found.sets, scores, sweep.choose_by)
    chosen = found.sets[choice.number]
    trades = trades_of(chosen)
    evidence = _evidence(scores, trades, choice)
    portfolio_of = portfolio_of_columns(trades, checked.params.portfolio, chosen.strategy.stake)
    whole = portfolio_of(np.arange(len(trades)))
    statistics = replace(checked, strategy=chosen.strategy).metric_statistics()
    metrics = [_with_evidence(metric, evidence) for metric in experiment_metrics(trades, portfolio_of, statistics)]
    kept = found.sets if sweep.keep_trades == "all" else (chosen,)
    tables = [_tables_of(experiment_id, one, trades_of(one) if one is not chosen else trades, checked) for one in kept]
    return ExperimentTables(
        trades=pa.concat_tables([one[0] for one in tables]),
        fills=pa.concat_tables([one[1] for one in tables]),
        curves=pa.concat_tables([one[2] for one in tables]),
        metrics=_metrics(found.sets, scores, choice, metrics),
        diagnostics=diagnostics_table(
            trades,
            whole,
            checked.params.dead_token,
            n_outside_range=listed.n_outside_range,
            n_edits_unknown=listed.n_edits_unknown,
            first=sweep_entries(found, choice, evidence, sweep),
        ),
        parameter_sets=parameter_sets_table(found, scores, choice, sweep.choose_by, metrics),
    )


def _refuse_too_many_trades(n_sets: int, n_alerts: int, keeps_all: bool) -> None:
    if keeps_all and n_sets * n_alerts > MOST_TRADES:
        raise InvalidInputError(
            f"sweep: keep_trades all would keep {n_sets * n_alerts:,} trades ({n_sets:,} sets of {n_alerts:,} alerts); "
            f"at most {MOST_TRADES:,} are kept, so use chosen, fewer sets or a shorter range"
        )


def _evidence(scores: SetScores, trades: TradeColumns, choice: Choice) -> SweepStatistics:
    of_chosen = np.where(trades.is_closed, trades.positions.net_return, np.nan)
    # The trades of the chosen set alone are looked at; those of all sets would be gigabytes.
    in_every_row = np.broadcast_to(of_chosen, (len(scores.metrics), len(of_chosen)))
    return sweep_statistics(scores.daily, in_every_row, chosen=choice.number)


def _with_evidence(metric: Metric, evidence: SweepStatistics) -> Metric:
    if metric.name == "dsr" and metric.scope == "all":
        return replace(metric, value=evidence.dsr, n=evidence.n_days)
    if metric.name == "pbo" and metric.scope == "all":
        return replace(metric, value=evidence.overfitting.pbo, n=evidence.n_days)
    return metric


def _tables_of(
    experiment_id: str, one: ParameterSet, trades: TradeColumns, checked: CheckedConfig
) -> tuple[pa.Table, pa.Table, pa.Table]:
    portfolio = portfolio_of_columns(trades, checked.params.portfolio, one.strategy.stake)(np.arange(len(trades)))
    return (
        trades_table(experiment_id, trades, one.param_id),
        fills_table(trades, one.param_id),
        curves_table(portfolio.curve, one.param_id),
    )


def _metrics(sets: Sequence[ParameterSet], scores: SetScores, choice: Choice, of_chosen: Sequence[Metric]) -> pa.Table:
    return pa.concat_tables(
        [
            metrics_table(of_chosen if number == choice.number else list(scores.metrics[number].values()), one.param_id)
            for number, one in enumerate(sets)
        ]
    )
