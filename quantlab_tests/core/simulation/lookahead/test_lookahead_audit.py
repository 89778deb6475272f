"""The audit passes the three engines on generated markets, and catches every leak that is planted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.lookahead.audited_engines import audited_engines
from quantlab_core.simulation.lookahead.call_window import CallWindow, call_window
from quantlab_core.simulation.lookahead.lookahead_audit import CHECKS, audited
from quantlab_core.simulation.lookahead.observed_trade import AuditedEngine
from quantlab_core.simulation.strategy import StopStep, Strategy, TakeProfit
from quantlab_core.token import Token
from quantlab_tests.core.simulation.lookahead.planted_leaks import LEAKS, planted

MINUTE = 60_000
T0_MS = 1_750_000_020_000
STRATEGIES = {
    "stop and target": Strategy(max_hold_min=25, stop_loss=0.15, take_profit=(TakeProfit(0.4, 1.0),)),
    "trailing": Strategy(max_hold_min=25, trailing_stop=0.12),
    "hold": Strategy(max_hold_min=25),
}


def market(seed: int, candles: int = 70) -> CandleSeries:
    """A walk of wild minutes, some of them missing, some jumping at the open."""
    draw = np.random.default_rng(seed)
    kept = np.flatnonzero(draw.random(candles) < 0.93)
    close = np.exp(np.cumsum(draw.normal(0.0, 0.06, len(kept))))
    open_ = np.concatenate(([1.0], close[:-1])) * np.exp(draw.normal(0, 0.01, len(kept)))
    high = np.maximum(open_, close) * np.exp(np.abs(draw.normal(0, 0.03, len(kept))))
    low = np.minimum(open_, close) * np.exp(-np.abs(draw.normal(0, 0.03, len(kept))))
    return CandleSeries(T0_MS + kept * MINUTE, open_, high, low, close, MINUTE)


def windows_of(strategy: Strategy, markets: int = 16, first_seed: int = 0) -> list[CallWindow]:
    """One call in each of so many markets, in its sixth to twentieth minute."""
    series = {Token("solana", f"T{number:03}"): market(first_seed + number) for number in range(markets)}
    pack = CandlePack.from_series(series)
    calls = Calls.of(
        pack, [(token, T0_MS + (6 + number % 15) * MINUTE + 17_000) for number, token in enumerate(pack.tokens)]
    )
    return [call_window(pack, calls, call, strategy) for call in range(len(calls))]


def failed_checks(engine: AuditedEngine, windows: list[CallWindow], strategy: Strategy) -> Counter[str]:
    _, findings = audited(engine, windows, strategy, seed=7, instants=3)
    return Counter(failure.check for failure in findings.failures)


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_the_three_engines_pass_and_every_check_looks_at_something(strategy: Strategy) -> None:
    windows = windows_of(strategy)
    for engine in audited_engines(strategy):
        _, findings = audited(engine, windows, strategy, seed=7, instants=3)
        assert findings.failures == []
        idle = {check for check, number in findings.checked.items() if number == 0}
        assert idle <= ({"inside_candle"} if strategy == STRATEGIES["hold"] else set())


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_the_small_engine_without_a_leak_is_the_reference_and_passes(strategy: Strategy) -> None:
    """Control: what is caught below is caught because of the leak."""
    free = replace(strategy, fee=0.0, slippage=0.0)
    windows = windows_of(free)
    ours, _ = audited(planted(free, None), windows, free, seed=7, instants=2)
    reference = {engine.name: engine for engine in audited_engines(free)}["reference"]
    theirs, _ = audited(reference, windows, free, seed=7, instants=2)
    assert [trade.summary for trade in ours] == [trade.summary for trade in theirs]
    assert failed_checks(planted(free, None), windows, free) == {}


@pytest.mark.parametrize("leak", LEAKS)
def test_every_planted_leak_is_caught(leak: str) -> None:
    caught = Counter[str]()
    for strategy in STRATEGIES.values():
        caught += failed_checks(planted(strategy, leak), windows_of(strategy), strategy)
    assert caught, leak
    assert set(caught) <= set(CHECKS)


def test_a_leak_inside_a_candle_is_caught_where_no_cut_can_show_it() -> None:
    """A trailing stop that sees its own candle's high uses nothing later than the candle."""
    strategy = STRATEGIES["trailing"]
    caught = failed_checks(planted(strategy, "trailing_stop_sees_its_own_high"), windows_of(strategy), strategy)
    assert caught["inside_candle"] > 0
    assert caught["future_cut"] == 0


def test_a_failure_names_the_call_the_instant_and_what_changed() -> None:
    strategy = STRATEGIES["hold"]
    _, findings = audited(
        planted(strategy, "only_winners_are_bought"), windows_of(strategy), strategy, seed=7, instants=3
    )
    failure = next(failure for failure in findings.failures if failure.check == "future_cut")
    assert failure.tau_ms is not None
    assert failure.tau_ms % MINUTE == 0
    assert "became" in failure.message


def test_equal_seeds_look_at_the_same() -> None:
    strategy = STRATEGIES["trailing"]
    runs = [
        audited(planted(strategy, "stop_waits_for_a_recovery"), windows_of(strategy), strategy, seed=3, instants=4)[1]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


@st.composite
def any_strategies(draw: st.DrawFn) -> Strategy:
    gains = sorted(draw(st.sets(st.sampled_from((0.05, 0.1, 0.25, 0.5, 1.0)), max_size=3)))
    is_dip = draw(st.booleans())
    return Strategy(
        max_hold_min=draw(st.integers(1, 50)),
        entry_mode="limit_dip" if is_dip else "next_open",
        limit_pct=draw(st.sampled_from((0.03, 0.1))) if is_dip else None,
        limit_ttl_min=draw(st.integers(1, 15)) if is_dip else None,
        entry_delay_s=draw(st.sampled_from((0.0, 43.0, 61.0))),
        stop_loss=draw(st.sampled_from((None, 0.05, 0.2))),
        take_profit=tuple(TakeProfit(gain, 0.3) for gain in gains),
        stop_steps=draw(st.sampled_from(((), (StopStep(0.1, 0.0),), (StopStep(0.1, 0.05),)))),
        trailing_stop=draw(st.sampled_from((None, 0.08, 0.2))),
        trailing_activation=draw(st.sampled_from((0.0, 0.1))),
        intrabar=draw(st.sampled_from(("stop_first", "target_first", "ohlc_path"))),
        fee=draw(st.sampled_from((0.0, 0.01))),
        slippage=draw(st.sampled_from((0.0, 0.005))),
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(any_strategies(), st.integers(0, 1_000), st.sampled_from(("last_close", "zero")))
def test_no_strategy_on_any_market_makes_an_engine_look_ahead(strategy: Strategy, seed: int, dead_price: str) -> None:
    windows = windows_of(strategy, markets=4, first_seed=seed)
    for engine in audited_engines(strategy, dead_price):  # type: ignore[arg-type]
        assert audited(engine, windows, strategy, seed=seed, instants=3)[1].failures == []
