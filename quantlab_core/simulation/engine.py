"""The reference engine: simulation semantics v1 as a plain loop over candles.

It is written to be read next to ``docs/simulation.md``, whose rule numbers (C1 to C9) it uses; any faster engine has to
agree with it to the bit. Long only, spot, one position per alert, and every decision rests on completed candles or on
the price at which it is filled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.candle_checks import prices_violation, times_violation
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.entry import Entry, find_entry
from quantlab_core.simulation.holding import ForcedExit, Holding, hold
from quantlab_core.simulation.path_metrics import path_metrics
from quantlab_core.simulation.strategy import IntrabarPolicy, Strategy
from quantlab_core.simulation.trade import ExitLeg, Position, SimulatedTrade

DeadPrice = Literal["last_close", "zero"]
"""What an ``end_of_data`` exit is worth: the last known close, or nothing (a stress test)."""


def simulate(
    series: CandleSeries,
    *,
    alert_ts_ms: int,
    strategy: Strategy,
    coverage_end_ms: int | None = None,
    dead_price: DeadPrice = "last_close",
) -> SimulatedTrade:
    """What ``strategy`` does with a call at ``alert_ts_ms`` (epoch ms UTC) of the token whose candles are ``series``.

    ``coverage_end_ms`` is the instant up to which the candles are known to be complete: silence before it is a dead
    token, candles that close after it are not used. Default: the close of the last candle. Raises StrategyError when
    ``max_hold_min`` is no multiple of the candle interval.
    """
    hold_ms = strategy.max_hold_min * 60_000
    if hold_ms % series.interval_ms != 0:
        raise StrategyError(
            f"strategy: max_hold_min {strategy.max_hold_min} is not a multiple of the candle interval of "
            f"{series.interval_ms // 60_000} minutes"
        )
    violation = times_violation(series)
    if violation is not None:
        return SimulatedTrade("bad_data", alert_ts_ms, violation)
    if coverage_end_ms is not None:
        series = series.closed_by(coverage_end_ms)
    search = find_entry(series, alert_ts_ms, strategy)
    violation = prices_violation(series.rows(search.first_row, search.end_row))
    if violation is not None:
        return SimulatedTrade("bad_data", alert_ts_ms, violation)
    if search.entry is None:
        return SimulatedTrade("no_entry", alert_ts_ms, search.reason)
    return _simulate_position(series, alert_ts_ms, strategy, search.entry, coverage_end_ms, dead_price)


def _simulate_position(
    series: CandleSeries,
    alert_ts_ms: int,
    strategy: Strategy,
    entry: Entry,
    coverage_end_ms: int | None,
    dead_price: DeadPrice,
) -> SimulatedTrade:
    deadline_ms = int(series.ts_ms[entry.row]) + strategy.max_hold_min * 60_000
    window = series.rows(entry.row, int(np.searchsorted(series.ts_ms, deadline_ms, side="left")))
    violation = prices_violation(window)
    if violation is not None:
        return SimulatedTrade("bad_data", alert_ts_ms, violation)
    known_until_ms = coverage_end_ms if coverage_end_ms is not None else series.end_ms or 0
    forced_exit = _forced_exit(window, deadline_ms, known_until_ms, dead_price)
    return SimulatedTrade("closed", alert_ts_ms, position=_position(window, entry, strategy, forced_exit))


def _forced_exit(window: CandleSeries, deadline_ms: int, known_until_ms: int, dead_price: DeadPrice) -> ForcedExit:
    """Rule C5: how a position ends that no stop or target has closed."""
    last_close = float(window.close[-1])
    last_close_ms = window.end_ms or 0
    if known_until_ms >= deadline_ms:
        return ForcedExit("time_exit", deadline_ms, last_close, stale_exit_s=(deadline_ms - last_close_ms) / 1_000)
    return ForcedExit("end_of_data", last_close_ms, 0.0 if dead_price == "zero" else last_close)


def _position(window: CandleSeries, entry: Entry, strategy: Strategy, forced_exit: ForcedExit) -> Position:
    def held_under(policy: IntrabarPolicy) -> Priced:
        return price_holding(hold(window, entry, strategy, policy, forced_exit), entry, strategy)

    priced = held_under(strategy.intrabar)
    held = priced.holding
    # Without an ambiguous candle the order inside candles never mattered: all policies give the same fills.
    pessimistic = held_under("stop_first").net_return if held.is_ambiguous else priced.net_return
    optimistic = held_under("target_first").net_return if held.is_ambiguous else priced.net_return
    last = held.sales[-1]
    was_forced = last.reason == forced_exit.reason
    held_until_ms = last.ts_ms if last.reason == "time_exit" else last.candle_ts_ms + window.interval_ms
    entry_ts_ms = int(window.ts_ms[0])
    return Position(
        stake=strategy.stake,
        entry_ts_ms=entry_ts_ms,
        entry_fill_ts_ms=entry_ts_ms + (window.interval_ms if entry.is_intrabar else 0),
        entry_raw_price=entry.raw_price,
        entry_price=priced.entry_price,
        quantity=priced.quantity,
        entry_fee=priced.quantity * priced.entry_price * strategy.fee,
        exits=priced.legs,
        gross_return=priced.gross_return,
        net_return=priced.net_return,
        mfe=held.highest / entry.raw_price - 1.0,
        mae=held.lowest / entry.raw_price - 1.0,
        is_ambiguous=held.is_ambiguous,
        return_pessimistic=pessimistic,
        return_optimistic=optimistic,
        is_censored=last.reason == "end_of_data",
        stale_exit_s=forced_exit.stale_exit_s if was_forced else None,
        candles_used=held.candles_used,
        missing_candles=(held_until_ms - entry_ts_ms) // window.interval_ms - held.candles_used,
        path=path_metrics(window, entry.raw_price, is_intrabar_entry=entry.is_intrabar),
    )


@dataclass(frozen=True, slots=True)
class Priced:
    """A holding with slippage and fees applied (rule C6)."""

    holding: Holding
    entry_price: float
    quantity: float
    legs: tuple[ExitLeg, ...]
    gross_return: float
    net_return: float


def price_holding(holding: Holding, entry: Entry, strategy: Strategy) -> Priced:
    """Rule C6: fills, fees and returns of ``holding``."""
    entry_price = entry.raw_price * (1.0 + strategy.slippage)
    paid_per_token = entry_price * (1.0 + strategy.fee)
    quantity = strategy.stake / paid_per_token
    legs = []
    raw_value = 0.0
    received_per_token = 0.0
    for sale in holding.sales:
        price = sale.raw_price * (1.0 - strategy.slippage)
        sold = sale.fraction * quantity
        legs.append(
            ExitLeg(
                fraction=sale.fraction,
                raw_price=sale.raw_price,
                price=price,
                quantity=sold,
                fee=sold * price * strategy.fee,
                ts_ms=sale.ts_ms,
                candle_ts_ms=sale.candle_ts_ms,
                reason=sale.reason,
            )
        )
        raw_value += sale.fraction * sale.raw_price
        received_per_token += sale.fraction * price * (1.0 - strategy.fee)
    return Priced(
        holding=holding,
        entry_price=entry_price,
        quantity=quantity,
        legs=tuple(legs),
        gross_return=raw_value / entry.raw_price - 1.0,
        net_return=received_per_token / paid_per_token - 1.0,
    )
