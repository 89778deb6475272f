"""Statistics of a portfolio's equity, taken at the end of every UTC day. Formulas in ``docs/metrics.md``.

The day is the unit because events are irregular: returns from event to event would weigh busy hours more than quiet
days. 365 days a year: these markets never close.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from quantlab_core.simulation.portfolio_columns import CurveColumns, PortfolioColumns

DAYS_PER_YEAR = 365
_DAY_MS = 86_400_000

ROUNDING = 1e-12
"""Returns and deviations up to this size are rounding: they count as zero, so nothing is divided by them."""


def daily_equity(run: PortfolioColumns) -> list[float]:
    """Starting capital, then equity at the end of every UTC day from the first to the last event.

    A day without an event keeps the equity of the day before. Only the starting capital when nothing was taken.
    """
    if not len(run.curve):
        return [run.starting_capital]
    days = np.diff(run.curve.ts_ms // _DAY_MS)
    ends: list[float] = np.repeat(run.curve.equity[:-1], days).tolist()
    return [run.starting_capital, *ends, run.final_equity]


def daily_returns(equity: Sequence[float]) -> list[float]:
    """Return of each day; empty when the equity was ever used up, as no return is defined after that."""
    if min(equity) <= 0:
        return []
    return [after / before - 1.0 for before, after in pairwise(equity)]


def sharpe_daily_365(returns: Sequence[float]) -> float | None:
    """Mean daily return / its standard deviation (n - 1) x sqrt(365); None below two days or without variation."""
    if len(returns) < 2:
        return None
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1))
    return mean / deviation * math.sqrt(DAYS_PER_YEAR) if deviation > ROUNDING else None


def sortino(returns: Sequence[float]) -> float | None:
    """Mean daily return / sqrt(mean of squared negative returns) x sqrt(365); None below two days or without a loss."""
    if len(returns) < 2:
        return None
    downside = math.sqrt(math.fsum(min(value, 0.0) ** 2 for value in returns) / len(returns))
    return math.fsum(returns) / len(returns) / downside * math.sqrt(DAYS_PER_YEAR) if downside > ROUNDING else None


def max_drawdown(equity: Sequence[float]) -> float:
    """Lowest of equity / highest equity before it - 1; 0 when it never fell."""
    peak = equity[0]
    worst = 0.0
    for value in equity:
        peak = max(peak, value)
        worst = min(worst, value / peak - 1.0)
    return worst


def calmar(equity: Sequence[float]) -> float | None:
    """Compound yearly return / |max drawdown|; None without a drawdown or where the yearly return is not finite."""
    drawdown = max_drawdown(equity)
    days = len(equity) - 1
    if drawdown >= -ROUNDING or days < 2:
        return None
    try:
        yearly: float = (equity[-1] / equity[0]) ** (DAYS_PER_YEAR / days) - 1.0
    except OverflowError:
        return None
    return yearly / -drawdown


def time_in_market(curve: CurveColumns) -> float | None:
    """Share of the time from the first to the last event with a position open; None without any time between them."""
    if len(curve) < 2:
        return None
    in_market_ms = int(np.diff(curve.ts_ms)[curve.n_open[:-1] > 0].sum())
    return in_market_ms / int(curve.ts_ms[-1] - curve.ts_ms[0])
