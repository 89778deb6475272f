"""Metrics of an experiment: one definition each, formulas in ``docs/metrics.md``.

A metric that is not defined (no losing trade, one day only, …) is None, never NaN or infinity. Metrics of trades use
every closed trade at the strategy's stake; metrics of the portfolio use the daily equity curve of the trades it took.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.equity_statistics import (
    DAYS_PER_YEAR,
    calmar,
    daily_equity,
    daily_returns,
    max_drawdown,
    sharpe_daily_365,
    sortino,
    time_in_market,
)
from quantlab_core.simulation.portfolio_columns import PortfolioColumns
from quantlab_core.simulation.trade_columns import TradeColumns
from quantlab_core.simulation.trade_intervals import token_numbers, trade_intervals
from quantlab_core.simulation.trade_statistics import Values, trade_metrics
from quantlab_core.statistics.interval import UNKNOWN, Interval
from quantlab_core.statistics.sharpe_evidence import (
    LEAST_DAYS,
    probabilistic_sharpe,
    return_moments,
    sharpe_interval,
)
from quantlab_core.statistics.statistics_config import MetricStatistics, StatisticsConfig
from quantlab_core.statistics.time_folds import Fold, cut_time

Whole = npt.NDArray[np.int64]

UNKNOWN_CALLER = "(unknown)"
"""Scope key of alerts whose caller is not known."""
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one scope. ``n`` is the number of observations behind it: alerts, trades or days."""

    scope: str
    scope_key: str
    name: str
    value: float | None
    n: int
    ci_low: float | None = None
    ci_high: float | None = None


def experiment_metrics(
    trades: TradeColumns, portfolio_of: Callable[[Whole], PortfolioColumns], statistics: MetricStatistics | None = None
) -> tuple[Metric, ...]:
    """All metrics for all alerts, for every caller, every fold and every month (UTC) of the alert.

    ``portfolio_of`` runs the portfolio on the trades at some rows: that of a caller, fold or month is the same purse
    given that scope's trades alone. Without ``statistics`` there are values alone: no
    bounds, no folds, no ``psr``, ``dsr`` and ``pbo``. Raises InvalidInputError when the days are too few for the split.
    """
    return _metrics_of(trades, portfolio_of, statistics, _scopes(trades, statistics))


def overall_metrics(
    trades: TradeColumns, portfolio_of: Callable[[Whole], PortfolioColumns], statistics: MetricStatistics | None = None
) -> tuple[Metric, ...]:
    """Those of `experiment_metrics` that are of all alerts."""
    return _metrics_of(trades, portfolio_of, statistics, [_whole_scope(trades)])


def _metrics_of(
    trades: TradeColumns,
    portfolio_of: Callable[[Whole], PortfolioColumns],
    statistics: MetricStatistics | None,
    scopes: Iterable[tuple[str, str, Whole]],
) -> tuple[Metric, ...]:
    metrics: list[Metric] = []
    is_closed = trades.is_closed
    tokens = token_numbers(trades.alerts) if statistics else np.empty(0, dtype=np.int64)
    for scope, scope_key, rows in scopes:
        closed = rows[is_closed[rows]]
        portfolio = portfolio_of(rows)
        equity = daily_equity(portfolio)
        returns = daily_returns(equity)
        values = {**trade_metrics(trades, closed, len(rows)), **_portfolio_metrics(portfolio, equity, returns)}
        intervals: Mapping[str, Interval] = {}
        if statistics is not None:
            values |= _evidence(returns, len(equity) - 1, is_whole=scope == "all")
            intervals = {
                **trade_intervals(
                    trades,
                    closed,
                    tokens,
                    samples=statistics.config.samples,
                    level=statistics.config.level,
                    seed=statistics.seed,
                ),
                **_sharpe_bounds(returns, statistics.config),
            }
        for name, (value, n) in sorted(values.items()):
            bounds = UNKNOWN if value is None else intervals.get(name, UNKNOWN)
            metrics.append(Metric(scope, scope_key, name, value, n, bounds.low, bounds.high))
    return tuple(metrics)


def _whole_scope(trades: TradeColumns) -> tuple[str, str, Whole]:
    return "all", "all", np.arange(len(trades))


def _scopes(trades: TradeColumns, statistics: MetricStatistics | None) -> Iterator[tuple[str, str, Whole]]:
    """Scope, key and rows of every group, in the order of the table."""
    yield _whole_scope(trades)
    callers = [caller or UNKNOWN_CALLER for caller in trades.alerts.caller.to_pylist()]
    yield from (("caller", key, rows) for key, rows in _grouped(callers))
    if statistics is not None and len(trades):
        yield from (("fold", key, rows) for key, rows in sorted(_fold_rows(trades, statistics).items()))
    months = trades.alerts.alert_ts_us.astype("datetime64[us]").astype("datetime64[M]").astype(str).tolist()
    yield from (("month", key, rows) for key, rows in _grouped(months))


def _grouped(keys: Sequence[str]) -> list[tuple[str, Whole]]:
    groups: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        groups.setdefault(key, []).append(row)
    return [(key, np.array(rows, dtype=np.int64)) for key, rows in sorted(groups.items())]


def _fold_rows(trades: TradeColumns, statistics: MetricStatistics) -> dict[str, Whole]:
    """Rows of every fold's training and test by key: ``train`` and ``test``, or ``test_01``, ``train_01``, …"""
    if statistics.config.split is None:
        return {}
    sent_us = trades.alerts.alert_ts_us
    folds = cut_time(
        statistics.config.split,
        first_alert_us=int(sent_us.min()),
        last_alert_us=int(sent_us.max()),
        longest_life_us=statistics.longest_life_us,
        embargo_us=round(statistics.config.embargo_h * _HOUR_US),
    )
    rows: dict[str, Whole] = {}
    for fold in folds:
        suffix = f"_{fold.label}" if fold.label else ""
        in_test = (fold.test.start_us <= sent_us) & (sent_us < fold.test.end_us)
        rows[f"test{suffix}"] = np.flatnonzero(in_test)
        rows[f"train{suffix}"] = _train_rows(trades, fold)
    return rows


def _train_rows(trades: TradeColumns, fold: Fold) -> Whole:
    """Rows that train. A call that was traded later than sent (an edited one, lagged) can outlive the distance."""
    sent_us = trades.alerts.alert_ts_us
    left_us = np.where(trades.is_closed, trades.positions.exit_ts_ms * 1_000, sent_us)
    in_train = np.zeros(len(trades), dtype=np.bool_)
    for block in fold.train:
        is_over = (left_us <= fold.test.start_us) | (block.start_us >= fold.test.end_us)
        in_train |= (block.start_us <= sent_us) & (sent_us < block.end_us) & is_over
    return np.flatnonzero(in_train)


def _portfolio_metrics(run: PortfolioColumns, equity: Sequence[float], returns: Sequence[float]) -> Values:
    days = len(equity) - 1
    n_taken = len(run.taken)
    return {
        "n_taken": (float(n_taken), n_taken + len(run.rejected)),
        "total_return": (run.final_equity / run.starting_capital - 1.0 if n_taken else None, n_taken),
        "sharpe_daily_365": (sharpe_daily_365(returns), days),
        "sortino": (sortino(returns), days),
        "calmar": (calmar(equity), days),
        "max_drawdown": (max_drawdown(equity) if days else None, days),
        "exposure_time": (time_in_market(run.curve), n_taken),
    }


def _evidence(returns: Sequence[float], days: int, *, is_whole: bool) -> Values:
    """PSR of every scope. An experiment alone does not know of how many it is the best: no DSR and no PBO."""
    moments = return_moments(returns) if days >= LEAST_DAYS else None
    evidence: dict[str, tuple[float | None, int]] = {
        "psr": (None if moments is None else probabilistic_sharpe(moments), days)
    }
    if is_whole:
        evidence |= {"dsr": (None, days), "pbo": (None, days)}
    return evidence


def _sharpe_bounds(returns: Sequence[float], config: StatisticsConfig) -> Mapping[str, Interval]:
    moments = return_moments(returns) if len(returns) >= LEAST_DAYS and config.samples else None
    if moments is None:
        return {}
    bounds = sharpe_interval(moments, config.level)
    scale = math.sqrt(DAYS_PER_YEAR)
    return {
        "sharpe_daily_365": Interval(*(None if bound is None else bound * scale for bound in (bounds.low, bounds.high)))
    }
