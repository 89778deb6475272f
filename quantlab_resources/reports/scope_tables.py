"""The result by caller, by month and by fold: one line each, with intervals and lower bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from quantlab_core.leaderboards.caller_statistics import caller_statistics
from quantlab_resources.reports.headline_figures import tone
from quantlab_resources.reports.metric_values import UNDEFINED, MetricsOfKey, metrics_by_key, value_of
from quantlab_resources.reports.number_text import between, count, money, number, percent

MOST_CALLERS = 100
"""Callers that are shown; the page says how many more there are."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number as text, its interval, the number itself to sort by, and ``gain`` or ``loss``."""

    text: str
    interval: str = ""
    value: float | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class ScopeRow:
    """One line: what it is of, and a cell per column."""

    name: str
    cells: tuple[Cell, ...]


CALLER_COLUMNS = (
    "calls",
    "trades",
    "gained",
    "average",
    "at least",
    "median",
    "reached 2×",
    "at least",
    "score",
    "profit",
)
SCOPE_COLUMNS = ("calls", "trades", "gained", "average", "median", "profit factor", "Sharpe", "deepest fall", "profit")


def caller_rows(trades: pa.Table, metrics: pa.Table, *, samples: int, seed: int) -> list[ScopeRow]:
    """Callers in the order of the leaderboard: by score, then by the lower bound of the mean return, then by name."""
    by_name = metrics_by_key(metrics, "caller")
    ranked = caller_statistics(trades, samples=samples, seed=seed).to_pylist()
    return [_caller_row(row, by_name.get(row["caller"], {})) for row in ranked]


def is_no_ranking(callers: list[ScopeRow]) -> bool:
    """Whether several callers all have the same score: they differ by no more than noise."""
    scores = [row.cells[CALLER_COLUMNS.index("score")].value for row in callers]
    return len(scores) > 1 and scores[0] is not None and len(set(scores)) == 1


def month_rows(metrics: pa.Table) -> list[ScopeRow]:
    """Months (UTC) in which the calls were sent."""
    return [_scope_row(key, found) for key, found in metrics_by_key(metrics, "month").items()]


def fold_rows(metrics: pa.Table) -> list[ScopeRow]:
    """Folds by number, each training before its test; empty without a split."""
    ordered = sorted(metrics_by_key(metrics, "fold").items(), key=lambda item: _fold_place(item[0]))
    return [_scope_row(key.replace("_", " "), found) for key, found in ordered]


def fold_means(metrics: pa.Table) -> dict[str, list[float]]:
    """The mean returns of the training and the test blocks that have one, by ``train`` and ``test``."""
    means: dict[str, list[float]] = {"train": [], "test": []}
    for key, found in metrics_by_key(metrics, "fold").items():
        mean = value_of(found, "mean_return")
        if mean is not None:
            means.setdefault(key.partition("_")[0], []).append(mean)
    return means


def _fold_place(key: str) -> tuple[int, bool, str]:
    label = re.search(r"\d+", key)
    return (int(label[0]) if label else 0, not key.startswith("train"), key)


def _caller_row(row: Mapping[str, Any], found: MetricsOfKey) -> ScopeRow:
    return ScopeRow(
        row["caller"],
        (
            _whole(row["n_calls"]),
            _whole(row["n_trades"]),
            _share(value_of(found, "win_rate")),
            _estimate(found, "mean_return", percent, row["mean_return"]),
            _change(row["mean_return_low"]),
            _change(row["median_return"]),
            _share(row["hit_rate_2x"]),
            _share(row["hit_rate_2x_low"]),
            _change(row["score"]),
            _money(value_of(found, "total_pnl") if row["n_trades"] else None),
        ),
    )


def _scope_row(name: str, found: MetricsOfKey) -> ScopeRow:
    n_trades = value_of(found, "n_trades")
    return ScopeRow(
        name,
        (
            _whole(value_of(found, "n_alerts")),
            _whole(n_trades),
            _share(value_of(found, "win_rate")),
            _estimate(found, "mean_return", percent),
            _estimate(found, "median_return", percent),
            _plain(value_of(found, "profit_factor")),
            _plain(value_of(found, "sharpe_daily_365")),
            _change(value_of(found, "max_drawdown")),
            _money(value_of(found, "total_pnl") if n_trades else None),
        ),
    )


def _estimate(found: MetricsOfKey, name: str, write: Callable[[float | None], str], value: float | None = None) -> Cell:
    metric = found.get(name, UNDEFINED)
    shown = metric.value if metric.value is not None else value
    return Cell(write(shown), between(metric.low, metric.high, write), shown, tone(shown))


def _whole(value: float | None) -> Cell:
    return Cell(count(value), value=value)


def _share(value: float | None) -> Cell:
    return Cell(percent(value, digits=0, signed=False), value=value)


def _change(value: float | None) -> Cell:
    return Cell(percent(value), value=value, tone=tone(value))


def _plain(value: float | None) -> Cell:
    return Cell(number(value), value=value)


def _money(value: float | None) -> Cell:
    return Cell(money(value), value=value, tone=tone(value))
