"""The three engines as the audit sees them: the compiled loop, the sweep, and the reference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.compiled.simulate_calls import SimulatedCalls, simulate_calls
from quantlab_core.simulation.engine import DeadPrice
from quantlab_core.simulation.lookahead.observed_trade import AuditedEngine, Facts, Fill, ObservedTrade, summary_of
from quantlab_core.simulation.outcome_codes import EXIT_REASONS, REASONS, STATUSES
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.sweep.reference_rows import reference_trade
from quantlab_core.simulation.sweep.sweep import simulate_sweep
from quantlab_core.simulation.sweep.sweep_outcomes import SweepOutcomes
from quantlab_core.simulation.trade import SimulatedTrade
from quantlab_core.simulation.trade_columns import PositionColumns

STOPS = frozenset({"stop_loss", "breakeven_stop", "step_stop", "trailing_stop"})
LEVELS = STOPS | {"take_profit"}
_POSITION_COLUMNS = tuple(field.name for field in fields(PositionColumns))


def audited_engines(strategy: Strategy, dead_price: DeadPrice = "last_close") -> tuple[AuditedEngine, ...]:
    """The engines with ``strategy``; numba is loaded when the first of them is asked."""
    return (
        AuditedEngine("compiled", lambda pack, calls: by_compiled_loop(pack, calls, strategy, dead_price)),
        AuditedEngine("sweep", lambda pack, calls: by_sweep(pack, calls, strategy, dead_price)),
        AuditedEngine("reference", lambda pack, calls: by_reference(pack, calls, strategy, dead_price)),
    )


def by_compiled_loop(
    pack: CandlePack, calls: Calls, strategy: Strategy, dead_price: DeadPrice = "last_close"
) -> list[ObservedTrade]:
    """What `simulate_calls` says of each call."""
    simulated = simulate_calls(pack, calls, strategy, dead_price=dead_price)
    columns = [getattr(simulated.positions, name).tolist() for name in _POSITION_COLUMNS]
    return [_of_columns(simulated, call, row, strategy) for call, row in enumerate(zip(*columns, strict=True))]


def _of_columns(simulated: SimulatedCalls, call: int, row: tuple[Any, ...], strategy: Strategy) -> ObservedTrade:
    status, reason = STATUSES[simulated.status[call]], REASONS[simulated.reason[call]]
    if status != "closed":
        return _without_position(status, reason)
    named, legs = dict(zip(_POSITION_COLUMNS, row, strict=True)), simulated.legs
    sales = [
        (
            float(legs.fraction[leg]),
            float(legs.raw_price[leg]),
            float(legs.price[leg]),
            float(legs.fee[leg]),
            int(legs.ts_ms[leg]),
            int(legs.candle_ts_ms[leg]),
            EXIT_REASONS[legs.reason[leg]],
        )
        for leg in range(int(legs.offsets[call]), int(legs.offsets[call + 1]))
    ]
    entry = Fill(
        (named["entry_ts_ms"], named["entry_fill_ts_ms"], named["entry_raw_price"], named["entry_price"]),
        named["entry_fill_ts_ms"],
        named["entry_ts_ms"],
    )
    summary = summary_of(
        status,
        None,
        entry_ts_ms=named["entry_ts_ms"],
        entry_raw_price=named["entry_raw_price"],
        exit_ts_ms=named["exit_ts_ms"],
        exit_reason=EXIT_REASONS[named["exit_reason"]],
        gross_return=named["gross_return"],
        net_return=named["net_return"],
    )
    whole = (*(_comparable(value) for value in row), *sales)
    settled_ms = _settled_ms(named["entry_ts_ms"], strategy, is_censored=named["is_censored"])
    return ObservedTrade(summary, (entry, *_sold(sales)), whole, settled_ms)


def by_reference(
    pack: CandlePack, calls: Calls, strategy: Strategy, dead_price: DeadPrice = "last_close"
) -> list[ObservedTrade]:
    """What `simulate` says of each call, one by one."""
    trades = (reference_trade(pack, calls, call, strategy, dead_price) for call in range(len(calls)))
    return [of_trade(trade, strategy) for trade in trades]


def of_trade(trade: SimulatedTrade | None, strategy: Strategy) -> ObservedTrade:
    """The facts of a trade of the reference engine; None is a call whose token has no candles."""
    if trade is None:
        return _without_position("no_entry", "no_candle_series")
    if trade.position is None:
        return _without_position(trade.status, trade.reason)
    position = trade.position
    entry = Fill(
        (position.entry_ts_ms, position.entry_fill_ts_ms, position.entry_raw_price, position.entry_price),
        position.entry_fill_ts_ms,
        position.entry_ts_ms,
    )
    sales = [
        (leg.fraction, leg.raw_price, leg.price, leg.fee, leg.ts_ms, leg.candle_ts_ms, leg.reason)
        for leg in position.exits
    ]
    summary = summary_of(
        trade.status,
        None,
        entry_ts_ms=position.entry_ts_ms,
        entry_raw_price=position.entry_raw_price,
        exit_ts_ms=position.exit_ts_ms,
        exit_reason=position.exit_reason,
        gross_return=position.gross_return,
        net_return=position.net_return,
    )
    settled_ms = _settled_ms(position.entry_ts_ms, strategy, is_censored=position.is_censored)
    return ObservedTrade(summary, (entry, *_sold(sales)), (position,), settled_ms)


def by_sweep(
    pack: CandlePack, calls: Calls, strategy: Strategy, dead_price: DeadPrice = "last_close"
) -> list[ObservedTrade]:
    """What `simulate_sweep` says of each call.

    A sweep knows the last sale alone, and not which candle gave its price: that is the compiled loop's, where both sell
    at the same time. Where they do not, the sale counts as known when it is made, which is the stricter claim.
    """
    swept = simulate_sweep(pack, calls, [strategy], dead_price=dead_price)
    compiled = by_compiled_loop(pack, calls, strategy, dead_price)
    return [_of_sweep(pack, calls, swept, call, compiled[call].fills, strategy) for call in range(len(calls))]


def _of_sweep(
    pack: CandlePack, calls: Calls, swept: SweepOutcomes, call: int, compiled: tuple[Fill, ...], strategy: Strategy
) -> ObservedTrade:
    at = (int(swept.entries_row[0]), call)
    status, reason = STATUSES[swept.entries.status[at]], REASONS[swept.entries.reason[at]]
    if status != "closed":
        return _without_position(status, reason)
    entry_ts_ms, raw_price = int(swept.entries.ts_ms[at]), float(swept.entries.raw_price[at])
    exit_ts_ms, exit_reason = int(swept.exit_ts_ms[0, call]), EXIT_REASONS[swept.exit_reason[0, call]]
    gross_return, net_return = float(swept.gross_return[0, call]), float(swept.net_return[0, call])
    is_same_entry = bool(compiled) and compiled[0].candle_ts_ms == entry_ts_ms
    fills = [Fill((entry_ts_ms, raw_price), compiled[0].ts_ms if is_same_entry else entry_ts_ms, entry_ts_ms)]
    is_censored = exit_reason == "end_of_data"
    if not is_censored:
        facts = (exit_ts_ms, exit_reason, gross_return, net_return)
        last = compiled[-1] if len(compiled) > 1 and compiled[-1].ts_ms == exit_ts_ms else None
        candle_ts_ms = exit_ts_ms - int(pack.interval_ms[calls.series_index[call]])
        fills.append(Fill(facts, exit_ts_ms, candle_ts_ms) if last is None else replace(last, facts=facts))
    summary = summary_of(
        status,
        None,
        entry_ts_ms=entry_ts_ms,
        entry_raw_price=raw_price,
        exit_ts_ms=exit_ts_ms,
        exit_reason=exit_reason,
        gross_return=gross_return,
        net_return=net_return,
    )
    whole = (*summary, bool(swept.is_ambiguous[0, call]))
    return ObservedTrade(summary, tuple(fills), whole, _settled_ms(entry_ts_ms, strategy, is_censored=is_censored))


def _without_position(status: str, reason: str | None) -> ObservedTrade:
    summary = summary_of(status, reason)
    return ObservedTrade(summary, (), summary)


def _sold(sales: Iterable[Facts]) -> list[Fill]:
    fills = []
    for sale in sales:
        ts_ms, candle_ts_ms, reason = sale[-3:]
        if reason != "end_of_data":
            is_inside = ts_ms != candle_ts_ms
            is_level, is_stop = is_inside and reason in LEVELS, is_inside and reason in STOPS
            fills.append(Fill(sale, ts_ms, candle_ts_ms, is_level=is_level, is_stop=is_stop))
    return fills


def _settled_ms(entry_ts_ms: int, strategy: Strategy, *, is_censored: bool) -> int | None:
    return None if is_censored else entry_ts_ms + strategy.max_hold_min * 60_000


def _comparable(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
