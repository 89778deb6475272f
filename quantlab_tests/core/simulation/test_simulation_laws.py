"""Laws of the engine (rule C8) under generated candles and strategies, with a planted look-ahead as control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.strategy import StopStep, Strategy, TakeProfit
from quantlab_core.simulation.trade import SimulatedTrade

MINUTE = 60_000
T0_MS = 1_750_000_020_000
ALERT_MS = T0_MS + 2 * MINUTE + 17_000
LAWS = settings(max_examples=100, deadline=None, derandomize=True)

Simulator = Callable[[CandleSeries, Strategy, int], SimulatedTrade]


@st.composite
def markets(draw: st.DrawFn) -> CandleSeries:
    """A walk of 8 to 40 wild candles with gaps in time and price; the alert falls into its third minute."""
    moves = draw(
        st.lists(
            st.tuples(
                st.integers(1, 3),  # minutes to the next candle: 1 leaves no gap
                st.sampled_from((0.6, 0.9, 1.0, 1.0, 1.0, 1.1, 1.7)),  # open / close before
                st.floats(0.55, 1.9),  # close / open
                st.floats(1.0, 1.6),  # high / highest of open and close
                st.floats(0.6, 1.0),  # low / lowest of open and close
            ),
            min_size=8,
            max_size=40,
        )
    )
    rows = []
    ts_ms, price = T0_MS, 1.0
    for gap, jump, drift, up, down in moves:
        open_ = price * jump
        price = open_ * drift
        rows.append((ts_ms, open_, max(open_, price) * up, min(open_, price) * down, price))
        ts_ms += (gap if gap < 3 else 1) * MINUTE
    return CandleSeries.from_rows(rows)


@st.composite
def held_strategies(draw: st.DrawFn) -> Strategy:
    gains = sorted(draw(st.sets(st.sampled_from((0.1, 0.25, 0.5, 1.0, 2.0)), max_size=3)))
    trigger = draw(st.sampled_from((0.1, 0.3, 0.8)))
    is_dip = draw(st.booleans())
    return Strategy(
        max_hold_min=draw(st.integers(1, 50)),
        entry_mode="limit_dip" if is_dip else "next_open",
        limit_pct=draw(st.sampled_from((0.05, 0.3))) if is_dip else None,
        limit_ttl_min=draw(st.integers(1, 10)) if is_dip else None,
        entry_delay_s=draw(st.sampled_from((0.0, 43.0, 61.0))),
        stop_loss=draw(st.sampled_from((None, 0.1, 0.3, 0.6))),
        take_profit=tuple(TakeProfit(gain, 0.3) for gain in gains),
        stop_steps=draw(st.sampled_from(((), (StopStep(trigger, 0.0),), (StopStep(trigger, trigger / 2),)))),
        trailing_stop=draw(st.sampled_from((None, 0.15, 0.4))),
        trailing_activation=draw(st.sampled_from((0.0, 0.2))),
        intrabar=draw(st.sampled_from(("stop_first", "target_first", "ohlc_path"))),
        fee=draw(st.sampled_from((0.0, 0.01))),
        slippage=draw(st.sampled_from((0.0, 0.005))),
    )


def run(series: CandleSeries, strategy: Strategy, coverage_end_ms: int) -> SimulatedTrade:
    return simulate(series, alert_ts_ms=ALERT_MS, strategy=strategy, coverage_end_ms=coverage_end_ms)


def known_sales(trade: SimulatedTrade, tau_ms: int) -> list[tuple[float, float, int, str]]:
    """The sales that are certain at ``tau_ms``: not those at the open of a candle that only starts then."""
    if trade.position is None:
        return []
    return [
        (leg.fraction, leg.raw_price, leg.ts_ms, leg.reason)
        for leg in trade.position.exits
        if leg.reason != "end_of_data" and leg.ts_ms <= tau_ms and leg.candle_ts_ms < tau_ms
    ]


def first_look_ahead(simulator: Simulator, series: CandleSeries, strategy: Strategy) -> int | None:
    """The first instant at which cutting the candles changes what was known then, or None: law (a)."""
    end_ms = series.end_ms or 0
    full = simulator(series, strategy, end_ms)
    for tau_ms in range(T0_MS, end_ms + 1, MINUTE):
        cut = simulator(series.rows(0, int(np.searchsorted(series.ts_ms, tau_ms))), strategy, tau_ms)
        if known_sales(full, tau_ms) != known_sales(cut, tau_ms):
            return tau_ms
        if full.position and full.position.entry_fill_ts_ms <= tau_ms and full.position.entry_ts_ms < tau_ms:
            assert cut.position is not None
            assert cut.position.entry_price == full.position.entry_price
    return None


@LAWS
@given(markets(), held_strategies())
def test_cutting_the_future_changes_no_fill_that_was_known(series: CandleSeries, strategy: Strategy) -> None:
    assert first_look_ahead(run, series, strategy) is None


def peeking_run(series: CandleSeries, strategy: Strategy, coverage_end_ms: int) -> SimulatedTrade:
    """A planted look-ahead: hold without a stop whenever some later high is worth waiting for."""
    is_worth_it = len(series) > 0 and series.high.max() > 2 * series.open[0]
    return run(series, replace(strategy, stop_loss=None if is_worth_it else 0.1), coverage_end_ms)


def test_the_prefix_law_catches_a_planted_look_ahead() -> None:
    prices = [(1, 1.01, 0.99, 1)] * 4 + [(1, 1, 0.8, 0.85), (0.85, 3, 0.85, 2.9)]
    series = CandleSeries.from_rows((T0_MS + MINUTE * number, *row) for number, row in enumerate(prices))
    strategy = Strategy(max_hold_min=10)
    assert first_look_ahead(run, series, replace(strategy, stop_loss=0.1)) is None
    assert first_look_ahead(peeking_run, series, strategy) is not None


@LAWS
@given(markets(), held_strategies(), st.floats(0.1, 10))
def test_candles_before_the_entry_and_after_the_deadline_change_nothing(
    series: CandleSeries, strategy: Strategy, factor: float
) -> None:
    trade = run(series, strategy, series.end_ms or 0)
    if trade.position is None:
        return
    deadline_ms = trade.position.entry_ts_ms + strategy.max_hold_min * MINUTE
    t_ok_ms = ALERT_MS + round(strategy.entry_delay_s * 1_000)
    factors = np.where((series.ts_ms <= t_ok_ms) | (series.ts_ms >= deadline_ms), factor, 1.0)
    other = replace(
        series,
        open=series.open * factors,
        high=series.high * factors,
        low=series.low * factors,
        close=series.close * factors,
    )
    assert run(other, strategy, series.end_ms or 0) == trade


@LAWS
@given(markets(), held_strategies(), st.integers(-40, 40))
def test_returns_do_not_depend_on_the_price_unit(series: CandleSeries, strategy: Strategy, power: int) -> None:
    scale = 2.0**power  # a power of two, so that scaling rounds nothing and equality is exact
    scaled = replace(
        series, open=series.open * scale, high=series.high * scale, low=series.low * scale, close=series.close * scale
    )
    one, other = run(series, strategy, series.end_ms or 0), run(scaled, strategy, series.end_ms or 0)
    assert (one.status, one.reason) == (other.status, other.reason)
    if one.position is not None and other.position is not None:
        assert one.position.net_return == other.position.net_return
        assert one.position.gross_return == other.position.gross_return
        assert (one.position.mfe, one.position.mae) == (other.position.mfe, other.position.mae)
        assert one.position.path == other.position.path
        assert [leg.reason for leg in one.position.exits] == [leg.reason for leg in other.position.exits]


@LAWS
@given(markets(), held_strategies(), st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_higher_fee_never_raises_the_return(series: CandleSeries, strategy: Strategy, one: float, two: float) -> None:
    low, high = sorted((one, two))
    cheap = run(series, replace(strategy, fee=low), series.end_ms or 0)
    dear = run(series, replace(strategy, fee=high), series.end_ms or 0)
    if cheap.position is not None and dear.position is not None:
        assert dear.position.net_return <= cheap.position.net_return + 1e-12
        assert dear.position.gross_return == cheap.position.gross_return


@LAWS
@given(markets(), held_strategies())
def test_the_three_policies_are_ordered(series: CandleSeries, strategy: Strategy) -> None:
    trades = [
        run(series, replace(strategy, intrabar=policy), series.end_ms or 0)
        for policy in ("stop_first", "ohlc_path", "target_first")
    ]
    positions = [trade.position for trade in trades if trade.position is not None]
    if not positions:
        return
    stop_first, ohlc_path, target_first = (position.net_return for position in positions)
    assert stop_first <= ohlc_path + 1e-12
    assert ohlc_path <= target_first + 1e-12
    for position in positions:
        assert position.return_pessimistic == stop_first
        assert position.return_optimistic == target_first
        assert position.is_ambiguous == positions[0].is_ambiguous
    if not positions[0].is_ambiguous:
        assert stop_first == ohlc_path == target_first


@LAWS
@given(markets(), held_strategies())
def test_all_that_is_bought_is_sold_and_no_money_is_lost_on_the_way(series: CandleSeries, strategy: Strategy) -> None:
    position = run(series, strategy, series.end_ms or 0).position
    if position is None:
        return
    assert sum(leg.fraction for leg in position.exits) == pytest.approx(1.0, abs=1e-12)
    assert [leg.ts_ms for leg in position.exits] == sorted(leg.ts_ms for leg in position.exits)
    assert position.exits[0].ts_ms >= position.entry_fill_ts_ms
    assert position.exit_ts_ms <= position.entry_ts_ms + strategy.max_hold_min * MINUTE
    received = sum(leg.quantity * leg.price - leg.fee for leg in position.exits)
    assert received - position.stake == pytest.approx(position.pnl, abs=1e-12)
    assert position.mae <= position.avg_exit_raw_price / position.entry_raw_price - 1 <= position.mfe + 1e-12


def first_touch_return(series: CandleSeries, stop_loss: float, gain: float, hold_min: int) -> float | None:
    """Stop, one target and a deadline, by first touches instead of a loop: an independent second opinion."""
    after = np.flatnonzero(series.ts_ms > ALERT_MS)
    if not len(after) or series.ts_ms[after[0]] - ALERT_MS > 300_000:
        return None
    window = series.rows(int(after[0]), int(np.searchsorted(series.ts_ms, series.ts_ms[after[0]] + hold_min * MINUTE)))
    price = window.open[0]
    stop, target = price * (1 - stop_loss), price * (1 + gain)
    stopped = np.flatnonzero(window.low <= stop)
    reached = np.flatnonzero(window.high >= target)
    stop_at = stopped[0] if len(stopped) else len(window)
    target_at = reached[0] if len(reached) else len(window)
    if stop_at == target_at == len(window):
        return float(window.close[-1] / price - 1)
    if target_at < stop_at or (target_at == stop_at and window.open[target_at] >= target):
        return float(max(target, window.open[target_at]) / price - 1)
    return float(min(stop, window.open[stop_at]) / price - 1)


@LAWS
@given(markets(), st.sampled_from((0.1, 0.3, 0.6)), st.sampled_from((0.2, 1.0)), st.integers(1, 50))
def test_the_loop_agrees_with_first_touches(series: CandleSeries, stop_loss: float, gain: float, hold_min: int) -> None:
    strategy = Strategy(max_hold_min=hold_min, stop_loss=stop_loss, take_profit=(TakeProfit(gain, 1.0),))
    position = run(series, strategy, series.end_ms or 0).position
    expected = first_touch_return(series, stop_loss, gain, hold_min)
    assert (None if position is None else position.gross_return) == (
        None if expected is None else pytest.approx(expected, abs=1e-12)
    )
