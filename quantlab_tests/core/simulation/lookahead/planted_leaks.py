"""A small engine of its own (next open, stop, trailing stop, one target, deadline) into which leaks can be planted.

Without a leak it agrees with the reference. Each leak is one that backtests are known for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.entry import entry_allowed_after_ms
from quantlab_core.simulation.lookahead.observed_trade import AuditedEngine, Fill, ObservedTrade, summary_of
from quantlab_core.simulation.strategy import Strategy

LEAKS = (
    "entry_in_the_candle_of_the_call",
    "entry_at_the_low_of_its_candle",
    "entry_at_the_lowest_open_to_come",
    "trailing_stop_sees_its_own_high",
    "trailing_stop_sees_all_highs",
    "stop_sells_at_a_better_close",
    "stop_sells_at_a_later_low",
    "stop_waits_for_a_recovery",
    "target_sells_at_a_later_close",
    "time_exit_at_the_candle_after_the_deadline",
    "time_exit_at_the_best_close",
    "only_winners_are_bought",
    "only_calls_that_went_on_trading",
)


@dataclass(frozen=True, slots=True)
class _Sale:
    row: int
    raw_price: float
    ts_ms: int
    reason: str


def planted(strategy: Strategy, leak: str | None) -> AuditedEngine:
    """The small engine with ``leak``, or with none."""

    def observe(pack: CandlePack, calls: Calls) -> list[ObservedTrade]:
        return [_observed(pack, calls, call, strategy, leak) for call in range(len(calls))]

    return AuditedEngine(leak or "plain", observe)


def _observed(pack: CandlePack, calls: Calls, call: int, strategy: Strategy, leak: str | None) -> ObservedTrade:
    index = int(calls.series_index[call])
    spans = list(pack.spans_us(index))
    whole = pack.series(index)
    coverage_end_ms = spans[0][1] // 1_000 if spans else whole.end_ms or 0
    series = whole.closed_by(coverage_end_ms)
    t_ok_ms = entry_allowed_after_ms(int(calls.tradable_from_ms[call]), strategy)
    row = int(np.searchsorted(series.ts_ms, t_ok_ms, side="right"))
    if row == len(series) or series.ts_ms[row] - t_ok_ms > strategy.max_entry_wait_s * 1_000:
        return _no_entry()
    if leak == "entry_in_the_candle_of_the_call" and row > 0:
        row -= 1
    if leak == "entry_at_the_lowest_open_to_come":
        row += int(np.argmin(series.open[row : row + 5]))
    entry_ts_ms = int(series.ts_ms[row])
    deadline_ms = entry_ts_ms + strategy.max_hold_min * 60_000
    window = series.rows(row, int(np.searchsorted(series.ts_ms, deadline_ms)))
    paid = float(window.low[0] if leak == "entry_at_the_low_of_its_candle" else window.open[0])
    if leak == "only_winners_are_bought" and window.high.max() < 1.5 * paid:
        return _no_entry()
    if leak == "only_calls_that_went_on_trading" and len(series) - row < 40:
        return _no_entry()
    sale = _sale(window, series.rows(row, len(series)), paid, deadline_ms, coverage_end_ms, strategy, leak)
    gross = sale.raw_price / paid - 1.0
    summary = summary_of(
        "closed",
        None,
        entry_ts_ms=entry_ts_ms,
        entry_raw_price=paid,
        exit_ts_ms=sale.ts_ms,
        exit_reason=sale.reason,
        gross_return=gross,
        net_return=gross,
    )
    fills = [Fill((entry_ts_ms, paid), entry_ts_ms, entry_ts_ms)]
    candle_ts_ms = int(window.ts_ms[sale.row])
    if sale.reason != "end_of_data":
        is_stop = sale.reason in {"stop_loss", "trailing_stop"}
        is_level = sale.ts_ms != candle_ts_ms and (is_stop or sale.reason == "take_profit")
        facts = (sale.ts_ms, sale.raw_price, sale.reason)
        fills.append(Fill(facts, sale.ts_ms, candle_ts_ms, is_level=is_level, is_stop=is_stop and is_level))
    settled_ms = deadline_ms if sale.reason != "end_of_data" else None
    return ObservedTrade(summary, tuple(fills), summary, settled_ms)


def _sale(
    window: CandleSeries,
    rest: CandleSeries,
    paid: float,
    deadline_ms: int,
    coverage_end_ms: int,
    strategy: Strategy,
    leak: str | None,
) -> _Sale:
    peak = float(rest.high.max()) if leak == "trailing_stop_sees_all_highs" else paid
    target = None if not strategy.take_profit else paid * (1.0 + strategy.take_profit[0].gain)
    for row in range(len(window)):
        ts_ms, open_, high, low, close = (
            int(window.ts_ms[row]),
            float(window.open[row]),
            float(window.high[row]),
            float(window.low[row]),
            float(window.close[row]),
        )
        end_ms = ts_ms + window.interval_ms
        seen = max(peak, high) if leak == "trailing_stop_sees_its_own_high" else peak
        level, reason = _level(paid, seen, strategy)
        if open_ <= level:
            return _Sale(row, open_, ts_ms, reason)
        if target is not None and open_ >= target:
            return _Sale(row, open_, ts_ms, "take_profit")
        later = rest.rows(row + 1, row + 6)
        recovers = leak == "stop_waits_for_a_recovery" and len(later) > 0 and float(later.high.max()) > paid
        if low <= level and not recovers:
            price = max(level, close) if leak == "stop_sells_at_a_better_close" else level
            if leak == "stop_sells_at_a_later_low" and len(later):
                price = float(later.low.min())
            return _Sale(row, price, end_ms, reason)
        if target is not None and high >= target:
            price = float(later.close[0]) if leak == "target_sells_at_a_later_close" and len(later) else target
            return _Sale(row, price, end_ms, "take_profit")
        peak = max(peak, high)
    return _forced_sale(window, rest, deadline_ms, coverage_end_ms, leak)


def _forced_sale(
    window: CandleSeries, rest: CandleSeries, deadline_ms: int, coverage_end_ms: int, leak: str | None
) -> _Sale:
    last, close = len(window) - 1, float(window.close[-1])
    if coverage_end_ms < deadline_ms:
        return _Sale(last, close, window.end_ms or 0, "end_of_data")
    if leak == "time_exit_at_the_candle_after_the_deadline" and len(rest) > len(window):
        close = float(rest.open[len(window)])
    if leak == "time_exit_at_the_best_close":
        # Within the holding time: sold when it was highest, which nobody knew then.
        last = int(np.argmax(window.close))
        return _Sale(last, float(window.close[last]), int(window.ts_ms[last]) + window.interval_ms, "time_exit")
    return _Sale(last, close, deadline_ms, "time_exit")


def _level(paid: float, peak: float, strategy: Strategy) -> tuple[float, str]:
    levels = [(0.0, "")]
    if strategy.trailing_stop is not None:
        levels.append((peak * (1.0 - strategy.trailing_stop), "trailing_stop"))
    if strategy.stop_loss is not None:
        levels.append((paid * (1.0 - strategy.stop_loss), "stop_loss"))
    highest = max(level for level, _ in levels)
    return highest, next(reason for level, reason in reversed(levels) if level == highest)


def _no_entry() -> ObservedTrade:
    summary = summary_of("no_entry", "no_candle")
    return ObservedTrade(summary, (), summary)
