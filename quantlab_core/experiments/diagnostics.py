"""What a reader of an experiment's results must know: every alert left out and why, and what the trades rest on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.experiments.artifact_types import EXPERIMENT_DIAGNOSTICS
from quantlab_core.simulation.outcome_codes import NO_REASON, POORLY_COVERED, REASONS
from quantlab_core.simulation.portfolio_columns import REJECTIONS, PortfolioColumns
from quantlab_core.simulation.trade_columns import TradeColumns, Whole

STALE_AFTER_S = 3_600.0
"""A time exit whose price is older than this is counted as stale."""

_LEFT_OUT = {
    "no_candle_series": ("warning", "no candles of the token are in the experiment's candle set"),
    "no_candle": ("info", "no candle opened within the entry wait after the call"),
    "limit_not_filled": ("info", "the limit order was not filled in its lifetime"),
    "edit_beyond_candles": ("warning", "the call counts from its edit, and for that time no candles were asked for"),
    "edited_call": ("info", "the call was edited and its token is not proven for the time of the call"),
    "not_first_in_chat": ("info", "the token had been called in the chat before"),
    "not_first_by_caller": ("info", "the caller had called the token before"),
    "caller_not_selected": ("info", "the caller is not selected"),
    "chain_not_selected": ("info", "the chain is not selected"),
    "poorly_covered": ("warning", "the source was asked for too little of the time that a trade can take"),
    "ts_not_ascending": ("error", "candle times of the token do not ascend"),
    "ts_off_grid": ("error", "a candle time of the token is no multiple of the resolution"),
    "price_not_finite": ("error", "a candle that the simulation needs has a price that is no finite number"),
    "price_not_positive": ("error", "a candle that the simulation needs has a price of zero or less"),
    "low_above_open_or_close": ("error", "a candle that the simulation needs has its low above its open or close"),
    "high_below_open_or_close": ("error", "a candle that the simulation needs has its high below its open or close"),
    "rejected_capital": ("info", "the portfolio had too little cash for the trade"),
    "rejected_max_open": ("info", "the portfolio held its highest number of positions"),
    "rejected_token_held": ("info", "the portfolio held the token already"),
}
"""Level and sentence of every reason for which an alert makes no trade, or a trade is not in the portfolio."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a reader must know."""

    level: str
    code: str
    message: str
    alert_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


def diagnostics_table(
    trades: TradeColumns,
    portfolio: PortfolioColumns,
    dead_token: str,
    *,
    n_outside_range: int,
    n_edits_unknown: int = 0,
    first: Sequence[Entry] = (),
) -> pa.Table:
    """The diagnostics of one run: ``first``, what holds for all of it, every alert left out, then rejected trades."""
    left_out = np.flatnonzero(trades.reason != NO_REASON)
    entries = [
        *first,
        *_summary(trades, portfolio, dead_token, n_outside_range),
        *_edits_unknown(n_edits_unknown, len(trades)),
        *_coverage_excluded(trades),
        *_left_out(trades, left_out, [REASONS[code] for code in trades.reason[left_out].tolist()], "alert"),
        *_left_out(trades, portfolio.rejected, [REJECTIONS[code] for code in portfolio.rejection.tolist()], "trade"),
    ]
    rows = {
        "ordinal": range(len(entries)),
        "level": [entry.level for entry in entries],
        "code": [entry.code for entry in entries],
        "message": [entry.message for entry in entries],
        "alert_id": [entry.alert_id for entry in entries],
        "context": [
            json.dumps(entry.context, sort_keys=True, ensure_ascii=False) if entry.context else None
            for entry in entries
        ],
    }
    schema = EXPERIMENT_DIAGNOSTICS.schema
    return pa.table([pa.array(rows[field.name], field.type) for field in schema], schema=schema)


def _left_out(trades: TradeColumns, rows: Whole, reasons: list[str], what: str) -> Iterator[Entry]:
    alerts, chosen = trades.alerts, pa.array(rows, pa.int64())
    named = (column.take(chosen).to_pylist() for column in (alerts.alert_id, alerts.address, alerts.chain))
    for reason, alert_id, address, chain in zip(reasons, *named, strict=True):
        level, sentence = _LEFT_OUT[reason]
        yield Entry(level, reason, f"{what} left out: {sentence}", alert_id, {"token": address, "chain": chain})


def _summary(
    trades: TradeColumns, portfolio: PortfolioColumns, dead_token: str, n_outside_range: int
) -> Iterator[Entry]:
    positions, is_closed = trades.positions, trades.is_closed
    n = int(is_closed.sum())
    if n_outside_range:
        yield Entry(
            "info",
            "outside_range",
            f"{n_outside_range} alerts lie outside the experiment's date range and are in no table",
            context={"alerts": n_outside_range},
        )
    if not n:
        yield Entry("warning", "no_trades", f"none of {len(trades)} alerts became a trade")
    yield from _counted(
        "ambiguous_trades",
        int((positions.is_ambiguous & is_closed).sum()),
        "of {n} trades met stop and target inside one candle; see return_pessimistic and return_optimistic",
        n,
    )
    yield from _counted(
        "censored_trades",
        int((positions.is_censored & is_closed).sum()),
        "of {n} trades end with the data, before stop, target or deadline",
        n,
        level="warning",
    )
    yield from _counted(
        "stale_exits",
        int(((positions.stale_exit_s > STALE_AFTER_S) & is_closed).sum()),
        f"of {{n}} trades were sold by time at a price more than {STALE_AFTER_S / 60:.0f} minutes old",
        n,
        level="warning",
    )
    if dead_token == "zero":  # noqa: S105 - a token is a coin here
        yield Entry("warning", "stress_dead_token", "stress test: positions that end with the data are worth nothing")
    if len(portfolio.rejected):
        yield Entry(
            "info",
            "portfolio_rejections",
            f"{len(portfolio.rejected)} of {n} trades are not in the curve: the portfolio could not take them",
            context={"rejected": len(portfolio.rejected), "trades": n},
        )


def _edits_unknown(n_edits_unknown: int, n_alerts: int) -> Iterator[Entry]:
    if n_edits_unknown:
        yield Entry(
            "warning",
            "edits_unknown",
            f"{n_edits_unknown} of {n_alerts} alerts come from where edits are not told (the earlier store, HTML"
            " exports): their tokens may have been written in after the call",
            context={"count": n_edits_unknown, "alerts": n_alerts},
        )


def _coverage_excluded(trades: TradeColumns) -> Iterator[Entry]:
    """What the choice of well covered alerts could hide: a token that died may be why the source has nothing of it."""
    count, n = int((trades.reason == POORLY_COVERED).sum()), int(trades.is_closed.sum())
    if not count:
        return
    returns = trades.positions.net_return[trades.is_closed].tolist()
    mean = math.fsum(returns) / n if n else None
    worst = math.fsum([*returns, *[-1.0] * count]) / (n + count)
    found = f"the mean return of {n} trades is {100 * mean:+.2f} %" if mean is not None else "there is no trade"
    yield Entry(
        "warning",
        "coverage_excluded",
        f"{count} of {len(trades)} alerts were left out as poorly covered, which nobody could know at the call: "
        f"{found}, with each of these alerts at -100 % the mean is {100 * worst:+.2f} %",
        context={"count": count, "trades": n, "mean_return": mean, "mean_return_with_excluded_lost": worst},
    )


def _counted(code: str, count: int, text: str, n: int, *, level: str = "info") -> Iterator[Entry]:
    if count:
        yield Entry(level, code, f"{count} {text.format(n=n)}", context={"count": count, "trades": n})
