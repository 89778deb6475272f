"""Sweeps made to trip a fast engine: ties, gaps, blocks, censoring, spans, bad rows; and what it got wrong in them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import DeadPrice
from quantlab_core.simulation.outcome_codes import EXIT_REASONS, REASONS, STATUSES
from quantlab_core.simulation.strategy import StopStep, Strategy, TakeProfit
from quantlab_core.simulation.sweep.reference_rows import reference_trade
from quantlab_core.simulation.sweep.sweep_outcomes import NO_EXIT, SweepOutcomes
from quantlab_core.token import Token

T0_MS = 1_750_000_200_000
"""Open time of the first candle: a multiple of five minutes."""


@dataclass(frozen=True, slots=True)
class WildSweep:
    """A pack, calls and strategies."""

    pack: CandlePack
    calls: Calls
    strategies: tuple[Strategy, ...]
    dead_price: DeadPrice


@st.composite
def wild_sweeps(draw: st.DrawFn) -> WildSweep:
    """Two series of up to 120 candles, four calls, six strategies. One number decides all: shrinking is no use here."""
    chance = random.Random(draw(st.integers(0, 2**48)))
    tokens = [Token("solana", f"token{number}") for number in range(2)]
    is_mixed = chance.random() < 0.3  # candles of one and of five minutes
    series = {token: _series(chance, chance.choice((1, 5)) if is_mixed else 1) for token in tokens}
    spans = {token: _spans(chance, series[token]) for token in tokens}
    calls = [
        (chance.choice((0, 0, 0, 1, 1, 1, 1, NO_SERIES)), T0_MS + chance.randrange(-200_000, 700_000, 1_000))
        for _ in range(4)
    ]
    return WildSweep(
        CandlePack.from_series(series, spans),
        Calls(np.array([call[0] for call in calls]), np.array([call[1] for call in calls])),
        tuple(_strategy(chance, (5, 20, 45, 200) if is_mixed else (1, 5, 7, 20, 45, 200)) for _ in range(6)),
        chance.choice(("last_close", "zero")),
    )


def differences(sweep: WildSweep, outcomes: SweepOutcomes) -> list[str]:
    """Where ``outcomes`` are not, bit for bit, what the reference engine says."""
    found = []
    for row, strategy in enumerate(sweep.strategies):
        for call in range(len(sweep.calls)):
            expected = _expected(sweep, call, strategy)
            actual = _actual(outcomes, row, call)
            if expected != actual:
                found.append(f"strategy {row}, call {call}: expected {expected}, got {actual}: {strategy}")
    return found


def _expected(sweep: WildSweep, call: int, strategy: Strategy) -> tuple[object, ...]:
    trade = reference_trade(sweep.pack, sweep.calls, call, strategy, sweep.dead_price)
    if trade is None:
        return "no_entry", "no_candle_series"
    position = trade.position
    if position is None:
        return trade.status, trade.reason
    return (
        *("closed", "", position.entry_ts_ms, position.entry_raw_price.hex(), position.exit_ts_ms),
        *(position.exit_reason, position.gross_return.hex(), position.net_return.hex()),
        *(position.is_ambiguous, position.is_censored),
    )


def _actual(outcomes: SweepOutcomes, row: int, call: int) -> tuple[object, ...]:
    status, reason = STATUSES[outcomes.status[row, call]], REASONS[outcomes.reason[row, call]]
    exit_reason = int(outcomes.exit_reason[row, call])
    if status != "closed":
        assert exit_reason == NO_EXIT
        assert outcomes.entry_row[row, call] == -1
        assert np.isnan(outcomes.net_return[row, call])
        assert not outcomes.is_ambiguous[row, call]
        return status, reason
    return (
        *(status, reason, int(outcomes.entry_ts_ms[row, call]), float(outcomes.entry_raw_price[row, call]).hex()),
        *(int(outcomes.exit_ts_ms[row, call]), EXIT_REASONS[exit_reason]),
        *(float(outcomes.gross_return[row, call]).hex(), float(outcomes.net_return[row, call]).hex()),
        *(bool(outcomes.is_ambiguous[row, call]), bool(outcomes.is_censored[row, call])),
    )


def _series(chance: random.Random, minutes: int) -> CandleSeries:
    rows, ts_ms = [], T0_MS
    is_even = chance.random() < 0.6  # prices in eighths, so that levels are touched exactly
    spread = chance.choice((0.0, 1.0, 3.0))
    price = 8.0
    for _ in range(chance.choice((0, 3, 40, 40, 80, 120))):
        if is_even:
            jump = chance.choice((0, 0, 0, 0, -1, 1, -8, 8)) * spread
            open_ = max(1.0, price + jump)
            price = max(1.0, open_ + chance.choice((0, 0, 1, -1, 2, -2)) * spread)
            high = max(open_, price) + chance.choice((0, 0, 1, 4)) * spread
            low = max(0.5, min(open_, price) - chance.choice((0, 0, 1, 4)) * spread)
            row = tuple(value / 8 for value in (open_, high, low, price))
        else:
            open_ = price * chance.choice((1, 1, 1, 0.7, 1.5))
            price = open_ * chance.uniform(1 - spread / 8, 1 + spread / 8)
            high, low = max(open_, price) * chance.uniform(1, 1.2), min(open_, price) * chance.uniform(0.8, 1)
            row = (open_, high, low, price)
        rows.append((ts_ms, *row))
        ts_ms += minutes * 60_000 * chance.choice((1, 1, 1, 1, 1, 2, 7))
    if rows and chance.random() < 0.15:
        number = chance.randrange(len(rows))
        ts_ms, *prices = rows[number]
        prices[chance.randrange(4)] = chance.choice((float("nan"), float("inf"), 0.0, 1e9, 1e-9))
        rows[number] = (ts_ms, *prices)
    if rows and chance.random() < 0.05:
        rows[-1] = (chance.choice((rows[0][0], rows[-1][0] + 1_000)), *rows[-1][1:])
    return CandleSeries.from_rows(rows, minutes * 60_000)  # type: ignore[arg-type]


def _spans(chance: random.Random, series: CandleSeries) -> Sequence[SourceSpan]:
    if chance.random() < 0.4:
        return ()
    start = datetime.fromtimestamp(T0_MS / 1_000, UTC)
    middle = start + timedelta(seconds=chance.randrange(60, 7_200))
    end = middle + timedelta(seconds=chance.choice((0, 90, 3_600, 36_000)))
    return [SourceSpan(start, middle), SourceSpan(middle + timedelta(seconds=chance.choice((0, 0, 240))), end)]


def _strategy(chance: random.Random, holds: Sequence[int]) -> Strategy:
    is_dip = chance.random() < 0.2
    rungs = sorted(chance.sample((0.125, 0.25, 0.5, 1.0, 2.0), chance.randrange(4)))
    fraction = chance.choice((0.25, 0.3, 1 / 3, 0.5))
    trailing = chance.choice((None, 0.125, 0.25, 0.5, 0.3))
    steps = [(0.25, 0.0), (0.5, 0.25), (0.5, 0.5), (1.0, -0.125), (0.0, -0.25), (0.25, 1e-12)]
    return Strategy(
        max_hold_min=chance.choice(holds),
        entry_mode="limit_dip" if is_dip else "next_open",
        limit_pct=chance.choice((0.125, 0.05)) if is_dip else None,
        limit_ttl_min=chance.choice((1, 10)) if is_dip else None,
        entry_delay_s=chance.choice((0.0, 0.0, 0.0, 61.5)),
        max_entry_wait_s=chance.choice((300.0, 300.0, 59.9)),
        stop_loss=chance.choice((None, 0.125, 0.25, 0.5, 0.2)),
        take_profit=tuple(TakeProfit(gain, fraction) for gain in rungs if rungs.index(gain) < 1 / fraction),
        stop_steps=tuple(StopStep(*step) for step in chance.sample(steps, chance.choice((0, 0, 1, 2)))),
        trailing_stop=trailing,
        trailing_activation=chance.choice((0.0, 0.0, 0.25, 0.5)) if trailing else 0.0,
        intrabar=chance.choice(("stop_first", "target_first", "ohlc_path")),
        fee=chance.choice((0.0, 0.01)),
        slippage=chance.choice((0.0, 0.0, 0.005, 0.125)),
    )
