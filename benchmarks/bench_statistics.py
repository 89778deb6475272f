"""Statistics of 20,000 trades: metrics of all scopes with and without bounds, the bootstrap and the probability of
overfitting beside the plain way to write them with numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.random import PCG64, Generator

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size
from quantlab_core.simulation.metrics import experiment_metrics
from quantlab_core.simulation.outcome_codes import CLOSED, TIME_EXIT
from quantlab_core.simulation.portfolio import PortfolioConfig
from quantlab_core.simulation.portfolio_of_columns import portfolio_of_columns
from quantlab_core.simulation.trade_columns import AlertColumns, LegColumns, PositionColumns, TradeColumns
from quantlab_core.statistics.backtest_overfitting import backtest_overfitting
from quantlab_core.statistics.statistics_config import MetricStatistics, StatisticsConfig
from quantlab_core.statistics.token_bootstrap import token_resamples

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

ALERTS_PER_SIZE = 200
"""20,000 alerts at full size."""
ALERTS_PER_TOKEN = 5.5
CALLERS = 100
DAYS = 90
SAMPLES = 1_000
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
FIRST_MS = 1_746_057_600_000
DAY_MS = 86_400_000
ASKED = MetricStatistics(StatisticsConfig(samples=SAMPLES), seed=1, longest_life_us=0)


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Milliseconds, each beside its peer."""
    trades = _trades(size.alerts * ALERTS_PER_SIZE)
    portfolio_of = portfolio_of_columns(trades, PortfolioConfig(), 100.0)
    n = f"{len(trades):,}"
    yield _beside(
        size,
        {
            f"metrics of {n} alerts with bounds, all scopes": lambda: experiment_metrics(trades, portfolio_of, ASKED),
            "the same without bounds": lambda: experiment_metrics(trades, portfolio_of),
        },
    )
    returns = trades.positions.net_return
    tokens = np.unique(trades.alerts.address.to_numpy(zero_copy_only=False), return_inverse=True)[1]
    columns = (returns, np.ones(len(returns)))
    yield _beside(
        size,
        {
            f"{SAMPLES:,} resamples of {n} trades, a mean and five quantiles": lambda: token_resamples(
                tokens, columns, samples=SAMPLES, seed=1, values=returns, shares=SHARES
            ),
            "resample by resample": lambda: _plain_bootstrap(tokens, returns),
        },
    )
    matrix = Generator(PCG64(2)).normal(0.0, 0.02, (size.alerts, DAYS))
    yield _beside(
        size,
        {
            f"probability of overfitting, {size.alerts} sets of {DAYS} days": lambda: backtest_overfitting(matrix),
            "split by split": lambda: _plain_overfitting(matrix),
        },
    )


def _beside(size: Size, actions: dict[str, Callable[[], object]]) -> Figure:
    return figure(interleaved(actions, rounds=min(size.rounds, 3)), "ms")


def _trades(n: int) -> TradeColumns:
    """Closed trades of one leg with log-normal returns, spread over `DAYS` days."""
    chance = Generator(PCG64(1))
    returns = chance.lognormal(-0.3, 1.0, n) - 1.0
    entry_ms = FIRST_MS + np.sort(chance.integers(0, DAYS * DAY_MS, n))
    exit_ms = entry_ms + chance.integers(60_000, DAY_MS, n)
    ones, zeros, whole = np.ones(n), np.zeros(n), np.zeros(n, dtype=np.int64)
    codes, flags = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.bool_)
    stakes = 100.0 * ones
    return TradeColumns(
        alerts=AlertColumns(
            alert_id=pa.array([f"alert-{number:06d}" for number in range(n)]),
            address=pa.array([f"mint-{number}" for number in chance.integers(0, int(n / ALERTS_PER_TOKEN), n)]),
            chain=pa.array(["solana"] * n),
            caller=pa.array([f"caller-{number}" for number in chance.integers(0, CALLERS, n)]),
            alert_ts_us=(entry_ms - 30_000) * 1_000,
        ),
        status=np.full(n, CLOSED, dtype=np.int8),
        reason=codes,
        positions=PositionColumns(
            entry_ts_ms=entry_ms, entry_fill_ts_ms=entry_ms, exit_ts_ms=exit_ms,
            duration_s=(exit_ms - entry_ms) / 1_000, entry_raw_price=ones, entry_price=ones,
            avg_exit_raw_price=1 + returns, avg_exit_price=1 + returns, size=stakes, stake=stakes, entry_fees=zeros,
            exit_fees=zeros, slippage_cost=zeros, gross_return=returns, net_return=returns, pnl=stakes * returns,
            exit_reason=np.full(n, TIME_EXIT, dtype=np.int8), n_exits=whole + 1, mfe=zeros, mae=zeros,
            is_ambiguous=flags, return_pessimistic=returns, return_optimistic=returns, is_censored=flags,
            stale_exit_s=zeros, candles_used=whole, missing_candles=whole, ath_multiple=ones, time_to_2x_s=zeros,
            time_to_3x_s=zeros, time_to_5x_s=zeros, time_to_10x_s=zeros, dd_before_2x=zeros, path_max_drawdown=zeros,
            ret_end=returns,
        ),
        legs=LegColumns(
            offsets=np.arange(n + 1), fraction=ones, raw_price=1 + returns, price=1 + returns, quantity=stakes,
            fee=zeros, ts_ms=exit_ms, candle_ts_ms=exit_ms, reason=np.full(n, TIME_EXIT, dtype=np.int8),
        ),
    )  # fmt: skip


def _plain_bootstrap(tokens: Whole, returns: Floats) -> list[tuple[float, Floats]]:
    chance = Generator(PCG64(1))
    order = np.argsort(tokens, kind="stable")
    of_token = np.split(returns[order], np.flatnonzero(np.diff(tokens[order])) + 1)
    found = []
    for _ in range(SAMPLES):
        resample = np.concatenate([of_token[token] for token in chance.integers(0, len(of_token), len(of_token))])
        found.append((float(resample.mean()), np.quantile(resample, SHARES)))
    return found


def _plain_overfitting(matrix: Floats) -> float:
    blocks = np.array_split(np.arange(matrix.shape[1]), 16)
    overfitted = splits = 0
    for chosen in combinations(range(16), 8):
        training = matrix[:, np.concatenate([blocks[number] for number in chosen])]
        test = matrix[:, np.concatenate([blocks[number] for number in range(16) if number not in chosen])]
        winner = int((training.mean(axis=1) / training.std(axis=1, ddof=1)).argmax())
        sharpe = test.mean(axis=1) / test.std(axis=1, ddof=1)
        overfitted += int((sharpe <= sharpe[winner]).sum()) * 2 <= len(matrix) + 1
        splits += 1
    return overfitted / splits
