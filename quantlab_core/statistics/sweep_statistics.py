"""What a sweep must say next to its best parameter set: it was the best of how many, and what is left after that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantlab_core.statistics.backtest_overfitting import Overfitting, backtest_overfitting
from quantlab_core.statistics.sharpe_evidence import (
    LEAST_DAYS,
    deflated_sharpe,
    expected_max_sharpe,
    probabilistic_sharpe,
    return_moments,
)
from quantlab_core.statistics.tail_share import tail_share

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class SweepStatistics:
    """Evidence for the parameter set at index ``best``. Sharpe ratios are per day, not annualised.

    ``psr`` and ``dsr`` are None with a ``reason``; ``pbo`` carries its own. ``tail_share`` is the share of the best
    set's total that the best hundredth of its trades made; None without a profit.
    """

    n_trials: int
    n_days: int
    best: int
    sharpe: float | None
    expected_max_sharpe: float
    psr: float | None
    dsr: float | None
    reason: str | None
    overfitting: Overfitting
    tail_share: float | None


def sweep_statistics(daily_returns: Floats, trade_returns: Floats, *, chosen: int | None = None) -> SweepStatistics:
    """Statistics of a sweep from its matrix of daily returns, (parameter sets, days).

    ``trade_returns`` are the net returns of each set's trades, (parameter sets, calls), NaN where there is none.
    ``best`` is the ``chosen`` set, or the one with the highest Sharpe ratio, the first of equals. N is the number of
    sets tried, however alike they are: alike sets make the deflated Sharpe ratio stricter than it need be, never
    laxer. A set without variation has the Sharpe ratio 0.
    """
    n_sets, n_days = daily_returns.shape
    moments = [return_moments(row.tolist()) for row in daily_returns]
    sharpes = [0.0 if one is None else one.sharpe for one in moments]
    best = max(range(n_sets), key=lambda number: sharpes[number]) if chosen is None else chosen
    mean = math.fsum(sharpes) / n_sets
    variance = math.fsum((value - mean) ** 2 for value in sharpes) / (n_sets - 1) if n_sets > 1 else 0.0
    of_best = moments[best]
    reason = None
    if n_days < LEAST_DAYS:
        reason = f"{n_days} days, at least {LEAST_DAYS} are needed"
    elif of_best is None:
        reason = "the daily returns of the set do not vary"
    has_evidence = of_best is not None and reason is None
    best_trades = trade_returns[best]
    return SweepStatistics(
        n_trials=n_sets,
        n_days=n_days,
        best=best,
        sharpe=None if of_best is None else of_best.sharpe,
        expected_max_sharpe=expected_max_sharpe(n_sets, variance),
        psr=probabilistic_sharpe(of_best) if of_best is not None and has_evidence else None,
        dsr=deflated_sharpe(of_best, n_trials=n_sets, sharpe_variance=variance)
        if of_best is not None and has_evidence
        else None,
        reason=reason,
        overfitting=backtest_overfitting(daily_returns),
        tail_share=tail_share(best_trades[~np.isnan(best_trades)].tolist()),
    )


def daily_pnl_by_set(net_return: Floats, exit_ts_ms: Whole, *, first_ms: int) -> Floats:
    """Profit of every UTC day in stakes, (parameter sets, days), from arrays of (parameter sets, calls).

    ``net_return`` is NaN where there is no trade, as in `SweepOutcomes`.

    A trade counts with its net return on the day of its last exit; days go from that of ``first_ms`` (the first call)
    to the last exit of any set. This is a purse that takes every trade with an equal stake and does not compound; a
    Sharpe ratio does not depend on its size. No trade: no days.
    """
    n_sets, is_closed = len(net_return), ~np.isnan(net_return)
    first = first_ms // _DAY_MS
    day = np.where(is_closed, exit_ts_ms // _DAY_MS - first, 0)
    n_days = int(day.max()) + 1 if is_closed.any() else 0
    cells = (day + np.arange(n_sets)[:, None] * n_days)[is_closed]
    summed = np.bincount(cells, weights=net_return[is_closed], minlength=n_sets * n_days)
    return np.asarray(summed.reshape(n_sets, n_days))
