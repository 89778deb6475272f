"""What a report says, read from the result tables: plain rows of text and numbers, no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.simulation.headline_metrics import ON_A_PAGE
from quantlab_resources.reports.number_text import amount, count, duration, instant, money, multiple, number, percent

_SHOWN_TRADES = 5
_BIN_EDGES = (-0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_BIN_LABELS = ("≤ −75", "−50", "−25", "0", "+25", "+50", "+100", "+200", "+500", "+1,000", "more")
_FIRST_WINNING_BIN = 4

MetricsOfScope = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """One headline number, what it is, and a sentence for who does not know the word."""

    label: str
    value: str
    explanation: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of the distribution; ``height`` is relative to the highest, ``label`` its upper edge in percent."""

    label: str
    trades: int
    height: float
    is_gain: bool


@dataclass(frozen=True, slots=True)
class CallerRow:
    """One caller's line; ``mean`` is the mean return as a fraction, for colour."""

    name: str
    calls: str
    trades: str
    win_rate: str
    mean_return: str
    median_return: str
    best: str
    pnl: str
    mean: float | None


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One trade's line."""

    token: str
    chain: str
    caller: str
    called: str
    held: str
    exit_reason: str
    peak: str
    net_return: str
    is_gain: bool


@dataclass(frozen=True, slots=True)
class ExitRow:
    """How trades ended: one line per reason."""

    reason: str
    trades: str
    share: str
    mean_return: str
    is_gain: bool


@dataclass(frozen=True, slots=True)
class LeftOutRow:
    """Alerts or trades that were left out for one reason."""

    count: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing about the whole run that a reader must know."""

    level: str
    message: str


def metrics_of(metrics: pa.Table, scope: str, scope_key: str) -> MetricsOfScope:
    """Metric values by name for one scope."""
    rows = metrics.filter(
        pc.and_(pc.equal(metrics["scope"], pa.scalar(scope)), pc.equal(metrics["scope_key"], pa.scalar(scope_key)))
    )
    return {row["metric"]: row["value"] for row in rows.select(["metric", "value"]).to_pylist()}


def headline(overall: MetricsOfScope) -> list[Figure]:
    """The numbers that come first."""
    return [_FIGURES[metric](overall.get(metric)) for metric in ON_A_PAGE]


def story(overall: MetricsOfScope, trades: pa.Table) -> str:
    """Two or three sentences that say what happened."""
    closed, alerts = int(overall.get("n_trades") or 0), trades.num_rows
    if not closed:
        return f"None of {alerts:,} calls became a trade, so there is no result. What was left out is listed below."
    gained = percent(overall.get("win_rate"), digits=0, signed=False)
    sentences = [f"{closed:,} of {alerts:,} calls became trades, and {gained} of them made money."]
    middle, mean, tail = (overall.get(name) for name in ("median_return", "mean_return", "tail_share_top1pct"))
    if middle is not None and mean is not None:
        sentences.append(f"The typical trade returned {percent(middle)}, the average {percent(mean)}.")
        if mean > 0 > middle:
            sentences.append("At least half of the trades lost: the gain comes from a few large winners.")
    if tail is not None and tail > 1:
        sentences.append("Without the best 1\u202f% of trades the result would be a loss.")
    return " ".join(sentences)


def distribution(trades: pa.Table) -> list[Bin]:
    """Net returns of closed trades in bins that widen upwards, as returns do."""
    counts = [0] * len(_BIN_LABELS)
    for value in (value for value in trades["net_return"].to_pylist() if value is not None):
        counts[sum(value > edge for edge in _BIN_EDGES)] += 1
    highest = max(counts)
    return [
        Bin(label, trades_in, trades_in / highest if highest else 0.0, index >= _FIRST_WINNING_BIN)
        for index, (label, trades_in) in enumerate(zip(_BIN_LABELS, counts, strict=True))
    ]


def caller_rows(metrics: pa.Table) -> list[CallerRow]:
    """Callers by profit, those without a trade last."""
    of_callers = metrics.filter(pc.equal(metrics["scope"], pa.scalar("caller"))).select(["scope_key"]).to_pylist()
    names: set[str] = {row["scope_key"] for row in of_callers}
    by_name = {name: metrics_of(metrics, "caller", name) for name in names}
    ranked = sorted(
        names, key=lambda name: (not by_name[name].get("n_trades"), -(by_name[name].get("total_pnl") or 0.0), name)
    )
    return [_caller_row(name, by_name[name]) for name in ranked]


def best_and_worst(trades: pa.Table) -> tuple[list[TradeRow], list[TradeRow]]:
    """The trades with the highest and the lowest net return, best first and worst first, none twice."""
    columns = [
        "trade_id",
        "token",
        "chain",
        "caller",
        "alert_ts",
        "duration_s",
        "exit_reason",
        "ath_multiple",
        "net_return",
    ]
    closed = trades.filter(pc.is_valid(trades["net_return"])).select(columns)
    ordered = closed.sort_by([("net_return", "descending"), ("trade_id", "ascending")])
    shown = min(_SHOWN_TRADES, ordered.num_rows // 2 + ordered.num_rows % 2)
    worst = min(_SHOWN_TRADES, ordered.num_rows - shown)
    best_rows = ordered.slice(0, shown).to_pylist()
    worst_rows = ordered.slice(ordered.num_rows - worst).to_pylist()[::-1]
    return [_trade_row(row) for row in best_rows], [_trade_row(row) for row in worst_rows]


def exit_rows(trades: pa.Table) -> list[ExitRow]:
    """Exit reasons, the most frequent first."""
    closed = trades.filter(pc.is_valid(trades["exit_reason"])).select(["exit_reason", "net_return"])
    returns: dict[str, list[float]] = {}
    for row in closed.to_pylist():
        returns.setdefault(row["exit_reason"], []).append(row["net_return"])
    ranked = sorted(returns.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        ExitRow(
            reason=reason.replace("_", " "),
            trades=count(len(values)),
            share=percent(len(values) / closed.num_rows, digits=0, signed=False),
            mean_return=percent(sum(values) / len(values)),
            is_gain=sum(values) > 0,
        )
        for reason, values in ranked
    ]


def left_out(diagnostics: pa.Table) -> list[LeftOutRow]:
    """What was left out, by reason, the most frequent first."""
    about_alerts = diagnostics.filter(pc.is_valid(diagnostics["alert_id"])).select(["code", "message"]).to_pylist()
    counted = Counter((row["code"], row["message"]) for row in about_alerts)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    return [LeftOutRow(count(times), code, message) for (code, message), times in ranked]


def notices(diagnostics: pa.Table) -> list[Notice]:
    """What holds for the whole run, in the order of the diagnostics."""
    rows = diagnostics.filter(pc.is_null(diagnostics["alert_id"])).select(["level", "message"]).to_pylist()
    return [Notice(row["level"], row["message"]) for row in rows]


def costs(trades: pa.Table, fills: pa.Table) -> str:
    """What trading cost, in one sentence; empty without trades."""
    slippage = pc.sum(trades["slippage_cost"]).as_py()
    if slippage is None:
        return ""
    fees = pc.sum(fills["fee"]).as_py() or 0.0
    return f"{fills.num_rows:,} fills cost {amount(fees)} in fees and {amount(slippage)} in slippage."


def _caller_row(name: str, values: MetricsOfScope) -> CallerRow:
    return CallerRow(
        name=name,
        calls=count(values.get("n_alerts")),
        trades=count(values.get("n_trades")),
        win_rate=percent(values.get("win_rate"), digits=0, signed=False),
        mean_return=percent(values.get("mean_return")),
        median_return=percent(values.get("median_return")),
        best=percent(values.get("best"), digits=0),
        pnl=money(values.get("total_pnl")) if values.get("n_trades") else money(None),
        mean=values.get("mean_return"),
    )


def _trade_row(row: Mapping[str, Any]) -> TradeRow:
    return TradeRow(
        token=row["token"],
        chain=row["chain"],
        caller=row["caller"] or "(unknown)",
        called=instant(row["alert_ts"]),
        held=duration(row["duration_s"]),
        exit_reason=(row["exit_reason"] or "").replace("_", " "),
        peak=multiple(row["ath_multiple"]),
        net_return=percent(row["net_return"]),
        is_gain=row["net_return"] > 0,
    )


def _change(label: str, explanation: str) -> Callable[[float | None], Figure]:
    """A figure that is good or bad by its sign."""
    return lambda value: Figure(label, percent(value), explanation, _tone(value))


def _share_of_profit(value: float | None) -> str:
    return "all of it" if value is not None and value > 1 else percent(value, digits=0, signed=False)


def _tone(value: float | None) -> str:
    if value is None or value == 0:
        return ""
    return "gain" if value > 0 else "loss"


_FIGURES: Mapping[str, Callable[[float | None], Figure]] = {
    "total_return": _change("Return on capital", "what the purse gained or lost over the whole range"),
    "max_drawdown": _change("Deepest fall", "largest loss from an earlier high, on daily equity"),
    "win_rate": lambda value: Figure(
        "Trades that gained", percent(value, signed=False), "share with a return above zero after all costs"
    ),
    "median_return": _change("Typical trade", "the median: half of the trades did better, half worse"),
    "mean_return": _change("Average trade", "the mean: few large gains pull it away from the typical trade"),
    "profit_factor": lambda value: Figure("Profit factor", number(value), "money won for each unit of money lost"),
    "tail_share_top1pct": lambda value: Figure(
        "Carried by the top 1\u202f%",
        _share_of_profit(value),
        "share of all profit made by the best 1\u202f% of trades",
    ),
    "fees_total": lambda value: Figure("Fees paid", amount(value), "in the stake's currency; already in every return"),
}
"""What a report says of a metric at its head."""
