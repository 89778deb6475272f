"""What a caller's calls did, from the trades of an experiment: ranked by a score that luck cannot buy cheaply."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.experiments.chosen_set import headline_param_id
from quantlab_core.leaderboards.artifact_types import CALLER_LEADERBOARD
from quantlab_core.simulation.metrics import UNKNOWN_CALLER
from quantlab_core.simulation.trade_intervals import LEAST_TOKENS
from quantlab_core.simulation.trade_statistics import quantile
from quantlab_core.statistics.rate_bounds import wilson_lower_bound
from quantlab_core.statistics.shrunk_means import shrunk_means
from quantlab_core.statistics.token_bootstrap import percentile_interval, token_resamples

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

CONFIDENCE = 0.95
"""Of the one-sided lower bounds."""
_COLUMNS = ("caller", "chain", "token", "net_return", "ath_multiple", "time_to_2x_s", "dd_before_2x")


def caller_statistics(trades: pa.Table, *, samples: int = 1_000, seed: int = 0) -> pa.Table:
    """The table of `CALLER_LEADERBOARD` for the trades of one parameter set (schema ``experiment_trades``).

    Rates, quantiles and means are of the closed trades: calls without candles have no path, so a caller whose calls
    often have none looks better than it is; compare n_trades with n_calls. Rows may come in any order.
    """
    of_caller: dict[str, dict[str, Any]] = {
        caller: {"caller": caller, "n_calls": n_calls, "n_trades": 0, "n_tokens": 0}
        for caller, n_calls in _calls_by_caller(trades).items()
    }
    token_means: dict[str, list[float]] = {}
    for caller, rows in _closed_by_caller(trades).items():
        numbers, means = _tokens(rows)
        token_means[caller] = means
        of_caller[caller] |= _statistics(rows, numbers, len(means), samples=samples, seed=seed)
    scores = shrunk_means(token_means).means
    ranked = sorted(
        ({**row, "score": scores.get(caller)} for caller, row in of_caller.items()),
        key=lambda row: (_descending(row["score"]), _descending(row.get("mean_return_low")), row["caller"]),
    )
    of = trades.slice(0, 1).select(["experiment_id", "param_id"]).to_pylist()
    rows = [{"rank": rank, **of[0], **row} for rank, row in enumerate(ranked, start=1)]
    return pa.Table.from_pylist(rows, schema=CALLER_LEADERBOARD.schema)


def caller_board(trades: pa.Table, metrics: pa.Table) -> pa.Table:
    """`caller_statistics` of an experiment's trades: of a sweep, those of the set that ``metrics`` say was chosen."""
    chosen = headline_param_id(metrics)
    return caller_statistics(trades.filter(pc.field("param_id") == chosen))


def _calls_by_caller(trades: pa.Table) -> dict[str, int]:
    counts: dict[str, int] = {}
    for caller in trades["caller"].to_pylist():
        counts[caller or UNKNOWN_CALLER] = counts.get(caller or UNKNOWN_CALLER, 0) + 1
    return counts


def _closed_by_caller(trades: pa.Table) -> dict[str, list[dict[str, Any]]]:
    closed = trades.filter(pc.field("status") == "closed").select(_COLUMNS)
    by_caller: dict[str, list[dict[str, Any]]] = {}
    for row in closed.to_pylist():
        by_caller.setdefault(row["caller"] or UNKNOWN_CALLER, []).append(row)
    return by_caller


def _tokens(rows: list[dict[str, Any]]) -> tuple[Whole, list[float]]:
    """The number of each row's token by name, and every token's mean net return."""
    by_token: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        by_token.setdefault((row["chain"], row["token"]), []).append(row["net_return"])
    names = {name: number for number, name in enumerate(sorted(by_token))}
    numbers = np.array([names[row["chain"], row["token"]] for row in rows], dtype=np.int64)
    return numbers, [math.fsum(by_token[name]) / len(by_token[name]) for name in names]


def _statistics(
    rows: list[dict[str, Any]], tokens: Whole, n_tokens: int, *, samples: int, seed: int
) -> dict[str, float | int | None]:
    n = len(rows)
    returns, multiples = _known(rows, "net_return"), _known(rows, "ath_multiple")
    hits = {multiple: sum(value >= multiple for value in multiples) / n for multiple in (2, 3, 5, 10)}
    return {
        "n_trades": n,
        "n_tokens": n_tokens,
        **{f"hit_rate_{multiple}x": rate for multiple, rate in hits.items()},
        "hit_rate_2x_low": wilson_lower_bound(hits[2], n_tokens, CONFIDENCE),
        "median_ath_multiple": quantile(multiples, 0.5),
        "p25_ath_multiple": quantile(multiples, 0.25),
        "p75_ath_multiple": quantile(multiples, 0.75),
        "p95_ath_multiple": quantile(multiples, 0.95),
        "median_time_to_2x_s": quantile(_known(rows, "time_to_2x_s"), 0.5),
        "median_dd_before_2x": quantile(_known(rows, "dd_before_2x"), 0.5),
        "mean_return": math.fsum(returns) / n,
        "median_return": quantile(returns, 0.5),
        "mean_return_low": _mean_return_low(rows, tokens, n_tokens, samples=samples, seed=seed),
    }


def _mean_return_low(
    rows: list[dict[str, Any]], tokens: Whole, n_tokens: int, *, samples: int, seed: int
) -> float | None:
    if n_tokens < LEAST_TOKENS:
        return None
    returns = np.array([row["net_return"] for row in rows])
    drawn = token_resamples(
        tokens, (returns, np.ones(len(returns))), samples=samples, seed=seed, values=returns, shares=()
    )
    return percentile_interval(drawn.sums[:, 0] / drawn.sums[:, 1], 2.0 * CONFIDENCE - 1.0).low


def _known(rows: list[dict[str, Any]], name: str) -> list[float]:
    """The values that are known, ascending."""
    return sorted(row[name] for row in rows if row[name] is not None)


def _descending(value: float | None) -> tuple[bool, float]:
    """Sort key: largest first, None last."""
    return (value is None, 0.0 if value is None else -value)
