"""Confidence intervals of the metrics of trades, by drawing tokens: see `token_bootstrap`.

The largest and smallest trade, and the share of the best hundredth, have none: no resample can hold a trade beyond the
largest seen, so their bootstrap is known to fail (Efron and Tibshirani, 1993, section 7.4). Counts and fees are no
estimates of anything.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.equity_statistics import ROUNDING
from quantlab_core.simulation.trade_columns import AlertColumns, TradeColumns
from quantlab_core.simulation.trade_statistics import QUANTILES
from quantlab_core.statistics.interval import Interval
from quantlab_core.statistics.token_bootstrap import percentile_interval, token_resamples

Whole = npt.NDArray[np.int64]

LEAST_TOKENS = 20
"""Fewer tokens with a closed trade get no interval: with so few clusters it would be too narrow to mean anything."""


def token_numbers(alerts: AlertColumns) -> Whole:
    """A number for each alert's token: its place among all tokens by name, so the order of rows does not matter."""
    names = list(zip(alerts.chain.to_pylist(), alerts.address.to_pylist(), strict=True))
    place = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([place[name] for name in names], dtype=np.int64)


def trade_intervals(
    trades: TradeColumns, closed: Whole, tokens: Whole, *, samples: int, level: float, seed: int
) -> Mapping[str, Interval]:
    """Interval by metric for the trades at the rows ``closed``; empty below `LEAST_TOKENS` tokens.

    ``tokens`` numbers the token of every alert.
    """
    names, numbered = np.unique(tokens[closed], return_inverse=True)
    if samples == 0 or len(names) < LEAST_TOKENS:
        return {}
    returns, pnl = trades.positions.net_return[closed], trades.positions.pnl[closed]
    is_won, is_lost = returns > ROUNDING, returns < -ROUNDING
    columns = {
        "n": np.ones(len(closed)),
        "returns": returns,
        "pnl": pnl,
        "n_won": is_won.astype(np.float64),
        "n_lost": is_lost.astype(np.float64),
        "won": np.where(is_won, pnl, 0.0),
        "lost": np.where(is_lost, -pnl, 0.0),
        "ambiguous": trades.positions.is_ambiguous[closed].astype(np.float64),
        "censored": trades.positions.is_censored[closed].astype(np.float64),
    }
    drawn = token_resamples(
        numbered,
        tuple(columns.values()),
        samples=samples,
        seed=seed,
        values=returns,
        shares=tuple(QUANTILES.values()),
    )
    total = dict(zip(columns, drawn.sums.T, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = {
            "win_rate": total["n_won"] / total["n"],
            "mean_return": total["returns"] / total["n"],
            "profit_factor": total["won"] / total["lost"],
            "payoff_ratio": (total["won"] / total["n_won"]) / (total["lost"] / total["n_lost"]),
            "expectancy": total["pnl"] / total["n"],
            "total_pnl": total["pnl"],
            "ambiguous_share": total["ambiguous"] / total["n"],
            "censored_share": total["censored"] / total["n"],
            **dict(zip(QUANTILES, drawn.quantiles.T, strict=True)),
        }
    return {name: percentile_interval(values, level) for name, values in resampled.items()}
