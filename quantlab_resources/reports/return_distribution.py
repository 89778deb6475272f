"""How trades turned out: net returns in bins, their quantiles, and the reasons for which trades ended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.candles.arrow_columns import floats
from quantlab_resources.reports.headline_figures import tone
from quantlab_resources.reports.metric_values import UNDEFINED, MetricsOfKey
from quantlab_resources.reports.number_text import amount, between, count, percent

_EDGES = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_LABELS = ("≤ −75", "−50", "−25", "0", "+25", "+50", "+100", "+200", "+500", "+1,000", "more")
_FIRST_GAIN = 4
_QUANTILES = {
    "worst": "worst",
    "p05": "5\u202f% did worse than",
    "p25": "25\u202f% did worse than",
    "median_return": "median",
    "p75": "25\u202f% did better than",
    "p95": "5\u202f% did better than",
    "best": "best",
}


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar; ``height`` is relative to the highest, ``label`` its upper edge in percent."""

    label: str
    trades: int
    height: float
    is_gain: bool


@dataclass(frozen=True, slots=True)
class QuantileRow:
    """One quantile of the net returns with its interval."""

    name: str
    value: str
    interval: str
    tone: str


@dataclass(frozen=True, slots=True)
class ExitRow:
    """How trades ended: one line per reason."""

    reason: str
    trades: str
    share: str
    mean_return: str
    tone: str


def distribution(trades: pa.Table) -> list[Bin]:
    """Net returns of closed trades in bins that widen upwards, as returns do."""
    returns = floats(trades["net_return"].drop_null())
    counts = np.bincount(np.searchsorted(_EDGES, returns), minlength=len(_LABELS)).tolist()
    highest = max(counts)
    return [
        Bin(label, trades_in, trades_in / highest if highest else 0.0, index >= _FIRST_GAIN)
        for index, (label, trades_in) in enumerate(zip(_LABELS, counts, strict=True))
    ]


def distribution_text(bins: list[Bin]) -> str:
    """The bars for who cannot see them."""
    held = [f"{found.trades:,} up to {found.label}\u202f%" for found in bins if found.trades]
    return f"Trades by net return: {', '.join(held)}" if held else "No trades"


def quantile_rows(overall: MetricsOfKey) -> list[QuantileRow]:
    """Worst to best; quantiles that the metrics do not have are left out."""
    rows = []
    for metric, name in _QUANTILES.items():
        found = overall.get(metric, UNDEFINED)
        if found.value is not None:
            interval = between(found.low, found.high, percent)
            rows.append(QuantileRow(name, percent(found.value), interval, tone(found.value)))
    return rows


def exit_rows(trades: pa.Table) -> list[ExitRow]:
    """Exit reasons, the most frequent first."""
    closed = trades.filter(pc.is_valid(trades["exit_reason"])).select(["exit_reason", "net_return"])
    grouped = closed.group_by("exit_reason", use_threads=False).aggregate(
        [("net_return", "count"), ("net_return", "mean")]
    )
    ranked = sorted(grouped.to_pylist(), key=lambda row: (-row["net_return_count"], row["exit_reason"]))
    return [
        ExitRow(
            reason=row["exit_reason"].replace("_", " "),
            trades=count(row["net_return_count"]),
            share=percent(row["net_return_count"] / closed.num_rows, digits=0, signed=False),
            mean_return=percent(row["net_return_mean"]),
            tone=tone(row["net_return_mean"]),
        )
        for row in ranked
    ]


def costs(trades: pa.Table, fills: pa.Table) -> str:
    """What trading cost, in one sentence; empty without trades."""
    slippage = pc.sum(trades["slippage_cost"]).as_py()
    if slippage is None:
        return ""
    fees = pc.sum(fills["fee"]).as_py() or 0.0
    return f"{fills.num_rows:,} fills cost {amount(fees)} in fees and {amount(slippage)} in slippage."
