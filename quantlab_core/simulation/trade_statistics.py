"""Metrics of closed trades, one value each. Formulas in ``docs/metrics.md``.

Sums are exact (`math.fsum`), so the order of the rows leaves no trace.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.equity_statistics import ROUNDING
from quantlab_core.simulation.trade_columns import TradeColumns
from quantlab_core.statistics.tail_share import tail_share

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Values = Mapping[str, tuple[float | None, int]]

QUANTILES = {"p05": 0.05, "p25": 0.25, "median_return": 0.5, "p75": 0.75, "p95": 0.95}


def trade_metrics(trades: TradeColumns, closed: Whole, n_alerts: int) -> Values:
    """Value and number of observations of every metric of the trades at the rows ``closed``."""
    positions = trades.positions
    fees = positions.entry_fees[closed] + positions.exit_fees[closed]
    return {
        **return_metrics(
            positions.net_return[closed],
            positions.pnl[closed],
            n_ambiguous=int(positions.is_ambiguous[closed].sum()),
            n_censored=int(positions.is_censored[closed].sum()),
            n_alerts=n_alerts,
        ),
        "fees_total": (math.fsum(fees.tolist()), len(closed)),
    }


def return_metrics(
    net_return: Floats, pnl: Floats, *, n_ambiguous: int, n_censored: int, n_alerts: int
) -> dict[str, tuple[float | None, int]]:
    """The metrics that need no more than what each closed trade returned: all but the fees."""
    n = len(net_return)
    returns: list[float] = np.sort(net_return).tolist()
    pnls: list[float] = pnl.tolist()
    wins: list[float] = pnl[net_return > ROUNDING].tolist()
    losses: list[float] = pnl[net_return < -ROUNDING].tolist()
    won, lost, total = math.fsum(wins), math.fsum(losses), math.fsum(pnls)
    return {
        "n_alerts": (float(n_alerts), n_alerts),
        "n_trades": (float(n), n_alerts),
        "win_rate": (_ratio(len(wins), n), n),
        "mean_return": (math.fsum(returns) / n if n else None, n),
        **{name: (quantile(returns, share), n) for name, share in QUANTILES.items()},
        "best": (returns[-1] if returns else None, n),
        "worst": (returns[0] if returns else None, n),
        "profit_factor": (_ratio(won, -lost), n),
        "payoff_ratio": (_ratio(won / len(wins), -lost / len(losses)) if wins and losses else None, n),
        "expectancy": (total / n if n else None, n),
        "total_pnl": (total, n),
        "tail_share_top1pct": (tail_share(pnls), n),
        "ambiguous_share": (_ratio(n_ambiguous, n), n),
        "censored_share": (_ratio(n_censored, n), n),
    }


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """The value below which ``share`` of the observations lie, interpolated linearly; None without observations."""
    if not ascending:
        return None
    position = share * (len(ascending) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (position - below)


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None
