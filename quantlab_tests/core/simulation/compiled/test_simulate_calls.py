"""The compiled engine says what the reference says, to the bit, on generated markets and on every golden case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import StrategyError
from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.compiled import simulate_calls as compiled
from quantlab_core.simulation.engine import DeadPrice, simulate
from quantlab_core.simulation.outcome_codes import BAD_DATA, CLOSED, NO_ENTRY, REASONS
from quantlab_core.simulation.strategy import Strategy, TakeProfit, parse_strategy
from quantlab_core.simulation.trade import SimulatedTrade
from quantlab_core.simulation.trade_columns import LegColumns, PositionColumns, TradeColumns
from quantlab_core.token import Token
from quantlab_tests.core.simulation.drawn_candles import T0_MS, draw
from quantlab_tests.core.simulation.test_shared_golden_cases import DOCUMENT, runs
from quantlab_tests.core.simulation.test_simulation_laws import ALERT_MS, held_strategies, markets

MINUTE = 60_000
MINT = Token("solana", "MintA")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span(start_ms: int, end_ms: int) -> SourceSpan:
    return SourceSpan(EPOCH + timedelta(milliseconds=start_ms), EPOCH + timedelta(milliseconds=end_ms))


def compiled_calls(
    series: CandleSeries,
    alerts_ms: Sequence[int],
    strategy: Strategy,
    spans: Sequence[SourceSpan] = (),
    dead_price: DeadPrice = "last_close",
) -> compiled.SimulatedCalls:
    pack = CandlePack.from_series({MINT: series}, {MINT: spans})
    calls = Calls.of(pack, [(MINT, alert_ms) for alert_ms in alerts_ms])
    return compiled.simulate_calls(pack, calls, strategy, dead_price=dead_price)


def columns_of(trades: Sequence[SimulatedTrade]) -> TradeColumns:
    return TradeColumns.from_outcomes(
        [
            AlertOutcome(str(number), MINT, None, 0, trade.status, trade.reason, trade.position)
            for number, trade in enumerate(trades)
        ]
    )


def assert_same(found: compiled.SimulatedCalls, trades: Sequence[SimulatedTrade]) -> None:
    wanted = columns_of(trades)
    assert found.status.tolist() == wanted.status.tolist()
    assert [REASONS[code] for code in found.reason] == [REASONS[code] for code in wanted.reason]
    is_closed = wanted.is_closed
    for column in fields(PositionColumns):
        left, right = getattr(found.positions, column.name), getattr(wanted.positions, column.name)
        assert left.dtype == right.dtype, column.name
        assert left[is_closed].tobytes() == right[is_closed].tobytes(), (column.name, left, right)
    for column in fields(LegColumns):
        left, right = getattr(found.legs, column.name), getattr(wanted.legs, column.name)
        assert left.dtype == right.dtype, column.name
        assert left.tobytes() == right.tobytes(), (column.name, left, right)


@st.composite
def spoilt(draw: st.DrawFn, series: CandleSeries) -> CandleSeries:
    """The series, some of whose values may be no candle's."""
    columns = {name: getattr(series, name).copy() for name in ("open", "high", "low", "close")}
    ts_ms = series.ts_ms.copy()
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.integers(0, len(series) - 1))
        name = draw(st.sampled_from(("open", "high", "low", "close", "ts")))
        if name == "ts":
            ts_ms[row] += draw(st.sampled_from((1, -MINUTE, 30_000)))
        else:
            columns[name][row] *= draw(st.sampled_from((0.0, -1.0, np.nan, np.inf, 3.0, 0.2)))
    return replace(series, ts_ms=ts_ms, **columns)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.data(), markets(), held_strategies(), st.sampled_from(("last_close", "zero")))
def test_every_column_has_the_bits_of_the_reference(
    data: st.DataObject, series: CandleSeries, strategy: Strategy, dead: DeadPrice
) -> None:
    if data.draw(st.booleans(), label="spoilt"):
        series = data.draw(spoilt(series))
    strategy = replace(strategy, stake=data.draw(st.sampled_from((1.0, 37.3))))
    alerts_ms = [ALERT_MS, *data.draw(st.lists(st.integers(T0_MS - MINUTE, T0_MS + 60 * MINUTE), max_size=4))]
    cuts = sorted(data.draw(st.lists(st.integers(T0_MS - 1, T0_MS + 50 * MINUTE), min_size=2, max_size=4, unique=True)))
    spans = [span(start, end) for start, end in pairwise(cuts)] if data.draw(st.booleans()) else []
    found = compiled_calls(series, alerts_ms, strategy, spans, dead)
    ends = [coverage_end_ms(series, spans, alert_ms, strategy) for alert_ms in alerts_ms]
    assert_same(
        found,
        [
            simulate(series, alert_ts_ms=alert_ms, strategy=strategy, coverage_end_ms=end, dead_price=dead)
            for alert_ms, end in zip(alerts_ms, ends, strict=True)
        ],
    )


def coverage_end_ms(series: CandleSeries, spans: Sequence[SourceSpan], alert_ms: int, strategy: Strategy) -> int | None:
    """End of the span that holds the first candle that the entry may use, looked for candle by candle."""
    t_ok_ms = alert_ms + round(strategy.entry_delay_s * 1_000)
    first = next((ts for ts in series.ts_ms.tolist() if ts > t_ok_ms), None)
    if first is None or first - t_ok_ms > strategy.max_entry_wait_s * 1_000:
        return None
    for one in spans:
        start, end = ((instant - EPOCH) // timedelta(milliseconds=1) for instant in (one.start, one.end))
        if start <= first < end:
            return int(end)
    return None


@pytest.mark.parametrize(("case", "number"), runs())
def test_every_golden_case_has_the_bits_of_the_reference(case: dict[str, Any], number: int) -> None:
    t0_ms = DOCUMENT["t0_ms"]
    alert = case["alerts"][number]
    overrides = {key: value for key, value in alert.items() if key != "alert_s"}
    series = CandleSeries.from_rows((t0_ms + MINUTE * minute, *prices) for minute, *prices in case["candles"])
    strategy = parse_strategy(case["config"] | overrides)
    alert_ms = t0_ms + 1_000 * alert["alert_s"]
    assert_same(
        compiled_calls(series, [alert_ms], strategy), [simulate(series, alert_ts_ms=alert_ms, strategy=strategy)]
    )


def test_calls_in_parts_are_the_calls_together(monkeypatch: pytest.MonkeyPatch) -> None:
    series = draw(*((minute, 1.0, 1.3, 0.9, 1.1) for minute in range(20)))
    strategy = Strategy(max_hold_min=5, take_profit=(TakeProfit(0.1, 0.5), TakeProfit(0.2, 0.5)))
    alerts_ms = [T0_MS + MINUTE * minute for minute in range(-3, 22)]
    monkeypatch.setattr(compiled, "MOST_LEGS", 10)
    assert_same(
        compiled_calls(series, alerts_ms, strategy),
        [simulate(series, alert_ts_ms=alert_ms, strategy=strategy) for alert_ms in alerts_ms],
    )


def test_each_series_is_judged_by_itself() -> None:
    other = Token("solana", "MintB")
    pack = CandlePack.from_series(
        {MINT: draw((0, 1, 1, 1, 1), (1, 1, 2, 1, 2)), other: draw((0, 1, 1, 1, 1), (0, 1, 1, 1, 1))}
    )
    calls = Calls(np.array([0, 1, NO_SERIES]), np.full(3, T0_MS - 1))
    found = compiled.simulate_calls(pack, calls, Strategy(max_hold_min=2))
    assert found.status.tolist() == [CLOSED, BAD_DATA, NO_ENTRY]
    assert [REASONS[code] for code in found.reason] == ["", "ts_not_ascending", "no_candle_series"]
    assert found.positions.net_return[0] == 1.0


def test_no_call_is_no_row() -> None:
    assert len(compiled_calls(draw(), [], Strategy(max_hold_min=1)).status) == 0


def test_a_hold_between_two_candles_is_refused_as_the_reference_refuses_it() -> None:
    series = draw((0, 1, 1, 1, 1), interval_min=5)
    with pytest.raises(StrategyError) as reference:
        simulate(series, alert_ts_ms=T0_MS, strategy=Strategy(max_hold_min=7))
    with pytest.raises(StrategyError, match="5 minutes") as found:
        compiled_calls(series, [T0_MS], Strategy(max_hold_min=7))
    assert str(found.value) == str(reference.value)


def test_read_only_candles_do() -> None:
    series = draw((0, 1, 1, 1, 1), (1, 1, 2, 1, 2))
    pack = CandlePack.from_series({MINT: series})
    for column in fields(CandlePack):
        value = getattr(pack, column.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    found = compiled.simulate_calls(pack, Calls.of(pack, [(MINT, T0_MS - 1)]), Strategy(max_hold_min=2))
    assert cast(list[int], found.status.tolist()) == [CLOSED]
