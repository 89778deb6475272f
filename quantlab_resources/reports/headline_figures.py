"""The head of a report: two or three sentences, and the numbers that come first, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from quantlab_core.simulation.headline_metrics import ON_A_PAGE
from quantlab_resources.reports.metric_values import UNDEFINED, MetricsOfKey, value_of
from quantlab_resources.reports.number_text import amount, between, number, percent

Written = Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline number, its interval as text, what it is, and ``gain`` or ``loss`` where its sign says so."""

    label: str
    value: str
    interval: str
    explanation: str
    tone: str = ""


def headline(overall: MetricsOfKey) -> list[Figure]:
    """The numbers that come first."""
    return [_figure(name, overall) for name in ON_A_PAGE]


def story(overall: MetricsOfKey, trades: pa.Table) -> str:
    """Two or three sentences that say what happened."""
    closed, alerts = int(value_of(overall, "n_trades") or 0), trades.num_rows
    if not closed:
        return f"None of {alerts:,} calls became a trade, so there is no result. What was left out is listed below."
    gained = percent(value_of(overall, "win_rate"), digits=0, signed=False)
    sentences = [f"{closed:,} of {alerts:,} calls became trades, and {gained} of them made money."]
    middle, mean, tail = (value_of(overall, name) for name in ("median_return", "mean_return", "tail_share_top1pct"))
    if middle is not None and mean is not None:
        sentences.append(f"The typical trade returned {percent(middle)}, the average {percent(mean)}.")
        if mean > 0 > middle:
            sentences.append("At least half of the trades lost: the gain comes from a few large winners.")
    if tail is not None and tail > 1:
        sentences.append("Without the best 1\u202f% of trades the result would be a loss.")
    return " ".join(sentences)


def tone(value: float | None) -> str:
    """``gain`` above zero, ``loss`` below, else nothing."""
    if value is None or value == 0:
        return ""
    return "gain" if value > 0 else "loss"


def _figure(name: str, overall: MetricsOfKey) -> Figure:
    label, explanation, write, has_tone = _FIGURES[name]
    found = overall.get(name, UNDEFINED)
    return Figure(
        label,
        write(found.value),
        between(found.low, found.high, write),
        explanation,
        tone(found.value) if has_tone else "",
    )


def _share(value: float | None) -> str:
    return percent(value, signed=False)


def _share_of_profit(value: float | None) -> str:
    return "all of it" if value is not None and value > 1 else percent(value, digits=0, signed=False)


_FIGURES: Mapping[str, tuple[str, str, Written, bool]] = {
    "total_return": ("Return on capital", "what the purse gained or lost over the whole range", percent, True),
    "max_drawdown": ("Deepest fall", "largest loss from an earlier high, on daily equity", percent, True),
    "win_rate": ("Trades that gained", "share with a return above zero after all costs", _share, False),
    "median_return": ("Typical trade", "the median: half of the trades did better, half worse", percent, True),
    "mean_return": ("Average trade", "the mean: few large gains pull it away from the typical trade", percent, True),
    "profit_factor": ("Profit factor", "money won for each unit of money lost", number, False),
    "tail_share_top1pct": (
        "Carried by the top 1\u202f%",
        "share of all profit made by the best 1\u202f% of trades",
        _share_of_profit,
        False,
    ),
    "fees_total": ("Fees paid", "in the stake's currency; already in every return", amount, False),
}
"""Of each metric at the head: label, explanation, how it is written, and whether its sign is good or bad."""
