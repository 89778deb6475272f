"""A sweep gives the reference's bits: on wild markets, on the shared golden cases, from candles and from records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.outcome_codes import EXIT_REASONS, REASONS, STATUSES
from quantlab_core.simulation.strategy import StopStep, Strategy, TakeProfit, parse_strategy
from quantlab_core.simulation.sweep.candle_faults import candle_faults
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_core.simulation.sweep.record_index import RecordIndex, build_record_index
from quantlab_core.simulation.sweep.sweep import simulate_sweep
from quantlab_core.simulation.sweep.sweep_outcomes import SweepOutcomes
from quantlab_core.token import Token
from quantlab_tests.core.simulation.drawn_candles import T0_MS, draw
from quantlab_tests.core.simulation.sweep.wild_sweeps import WildSweep, differences, wild_sweeps
from quantlab_tests.core.simulation.test_shared_golden_cases import DOCUMENT, runs

TOKEN = Token("solana", "token0")
WILD = settings(max_examples=200, deadline=None, derandomize=True)


def run(sweep: WildSweep) -> SweepOutcomes:
    return simulate_sweep(sweep.pack, sweep.calls, sweep.strategies, dead_price=sweep.dead_price)


def run_on_records(sweep: WildSweep, hold_min: int = 200) -> SweepOutcomes:
    """The sweep with an index for each of its entry rules, written down and read again."""
    faults = candle_faults(sweep.pack)
    rules = {EntryRule.of(strategy) for strategy in sweep.strategies}
    built = [build_record_index(sweep.pack, sweep.calls, faults, rule, hold_min * 60_000) for rule in rules]
    indexes = [RecordIndex.from_buffer(index.to_bytes()) for index in built]
    return simulate_sweep(
        sweep.pack, sweep.calls, sweep.strategies, dead_price=sweep.dead_price, faults=faults, indexes=indexes
    )


def drawn(series: CandleSeries, *strategies: Strategy, alert_ms: int = T0_MS - 1_000) -> WildSweep:
    """One call of one token."""
    calls = Calls(np.array([0]), np.array([alert_ms]))
    return WildSweep(CandlePack.from_series({TOKEN: series}), calls, strategies, "last_close")


@WILD
@given(wild_sweeps())
def test_a_sweep_from_candles_has_the_bits_of_the_reference(sweep: WildSweep) -> None:
    assert differences(sweep, run(sweep)) == []


@WILD
@given(wild_sweeps())
def test_a_sweep_from_records_has_the_bits_of_the_reference(sweep: WildSweep) -> None:
    assert differences(sweep, run_on_records(sweep)) == []


def long_walks() -> WildSweep:
    """Enough calls for several tiles, each with hundreds of candles, and strategies that share thresholds."""
    chance = np.random.Generator(np.random.PCG64(7))
    rows = []
    price = 1.0
    for minute in range(3_000):
        open_ = price
        price *= float(np.exp(chance.normal(0.0, 0.02)))
        high, low = max(open_, price) * 1.003, min(open_, price) * 0.998
        rows.append((T0_MS + 60_000 * minute, open_, high, low, price))
    strategies = [
        Strategy(
            max_hold_min=hold, stop_loss=stop, trailing_stop=trail, fee=0.01, slippage=0.005,
            take_profit=(TakeProfit(0.5, 0.5), TakeProfit(1.5, 0.25)),
        )
        for hold, stop, trail in ((1_440, 0.3, 0.4), (720, 0.3, 0.2), (1_440, 0.5, None), (1_440, None, 0.4))
    ]  # fmt: skip
    calls = Calls(np.zeros(600, np.int64), T0_MS + 240_000 * np.arange(600, dtype=np.int64))
    pack = CandlePack.from_series({TOKEN: CandleSeries.from_rows(rows)})
    return WildSweep(pack, calls, tuple(strategies), "last_close")


def test_long_windows_and_several_tiles_have_the_bits_of_the_reference() -> None:
    sweep = long_walks()
    from_candles, from_records = run(sweep), run_on_records(sweep, 1_440)
    some = np.arange(0, 600, 37)
    calls = Calls(sweep.calls.series_index[some], sweep.calls.tradable_from_ms[some])
    assert differences(replace(sweep, calls=calls), run(replace(sweep, calls=calls))) == []
    for name in ("net_return", "gross_return", "exit_ts_ms", "exit_reason", "is_ambiguous"):
        whole = getattr(from_candles, name)
        assert np.array_equal(whole, getattr(from_records, name))
        assert np.array_equal(whole[:, some], getattr(run(replace(sweep, calls=calls)), name))


@pytest.mark.parametrize(("case", "number"), runs())
def test_a_sweep_reproduces_every_shared_golden_case(case: dict[str, Any], number: int) -> None:
    t0_ms = DOCUMENT["t0_ms"]
    alert, expected = case["alerts"][number], case["expected"][number]
    strategy = parse_strategy(case["config"] | {key: value for key, value in alert.items() if key != "alert_s"})
    series = CandleSeries.from_rows((t0_ms + 60_000 * minute, *prices) for minute, *prices in case["candles"])
    sweep = drawn(series, strategy, alert_ms=t0_ms + 1_000 * alert["alert_s"])
    for outcomes in (run(sweep), run_on_records(sweep)):
        assert differences(sweep, outcomes) == []
        assert STATUSES[outcomes.status[0, 0]] == expected["status"]
        if expected["exits"]:
            assert EXIT_REASONS[outcomes.exit_reason[0, 0]] == expected["exits"][-1]["reason"]
            assert outcomes.net_return[0, 0] == pytest.approx(expected["net_return"], abs=1e-12)


def test_the_check_sees_a_level_that_is_off_by_one_bit() -> None:
    # bought at 100, stop at 100 x (1 - 0.25) = 75, which the low of minute 1 is; one bit lower it is never touched
    series = draw((0, 100, 100, 100, 100), (1, 100, 100, 75, 90), (2, 90, 90, 90, 90))
    sweep = drawn(series, Strategy(max_hold_min=3, stop_loss=0.25))
    assert differences(sweep, run(sweep)) == []
    wrong = replace(sweep, strategies=(Strategy(max_hold_min=3, stop_loss=0.25 + 2**-52),))
    assert len(differences(sweep, run(wrong))) == 1
    assert len(differences(sweep, run_on_records(wrong))) == 1


def test_a_trailing_stop_follows_the_product_where_the_ratio_is_rounded_to_the_factor() -> None:
    # peak x 0.9 and low / peak fall on different sides of the tie for some prices: each must go with the product
    chance = np.random.Generator(np.random.PCG64(3))
    n_ties = 0
    for peak in chance.uniform(1.0, 2.0, 60).tolist():
        for low in (np.nextafter(peak * 0.9, 9), peak * 0.9, np.nextafter(peak * 0.9, 0)):
            series = draw((0, 1, peak, 1, peak), (1, peak, peak, low, peak), (2, peak, peak, low * 0.99, peak))
            sweep = drawn(series, Strategy(max_hold_min=3, trailing_stop=0.1))
            assert differences(sweep, run(sweep)) == []
            assert differences(sweep, run_on_records(sweep)) == []
            n_ties += (low / peak <= 0.9) != (low <= peak * 0.9)
    assert n_ties > 0


def test_what_the_fast_path_does_not_cover_is_computed_by_the_reference() -> None:
    series = draw((0, 100, 130, 100, 130), (1, 130, 130, 90, 95))
    steps = (StopStep(0.2, 1e-12), StopStep(0.1, 0.0))
    sweep = drawn(series, Strategy(max_hold_min=3), Strategy(max_hold_min=3, stop_steps=steps))
    outcomes = run(sweep)
    assert outcomes.uncovered == (1,)
    assert differences(sweep, outcomes) == []
    assert EXIT_REASONS[outcomes.exit_reason[1, 0]] == "step_stop"


def test_an_index_serves_only_its_calls_its_entry_rule_and_its_holding_time() -> None:
    series = draw((0, 100, 130, 100, 130), (1, 130, 130, 90, 95))
    sweep = drawn(series, Strategy(max_hold_min=3))
    rule = EntryRule.of(sweep.strategies[0])
    index = build_record_index(sweep.pack, sweep.calls, candle_faults(sweep.pack), rule, 180_000)
    assert index.serves(sweep.calls, rule, 180_000)
    assert not index.serves(sweep.calls, rule, 240_000)
    assert not index.serves(sweep.calls, replace(rule, delay_ms=1), 180_000)
    assert not index.serves(Calls(np.array([0]), sweep.calls.tradable_from_ms + 1), rule, 180_000)


@pytest.mark.parametrize("damage", [b"", b"{}\n", b"not an index\n" * 9, b"quantlab"])
def test_a_block_that_is_no_index_is_refused(damage: bytes) -> None:
    with pytest.raises(InvalidInputError, match="made again from the candle pack"):
        RecordIndex.from_buffer(damage)


def test_an_empty_sweep_and_no_calls_give_empty_outcomes() -> None:
    sweep = drawn(draw((0, 100, 130, 100, 130)))
    assert run(sweep).net_return.shape == (0, 1)
    none = Calls(np.empty(0, np.int64), np.empty(0, np.int64))
    some = replace(sweep, calls=none, strategies=(Strategy(max_hold_min=3, stop_loss=0.5),))
    assert run(some).net_return.shape == (1, 0)
    assert run_on_records(some).net_return.shape == (1, 0)


def test_the_reasons_that_a_pack_gives_are_those_of_the_result_tables() -> None:
    bad = draw((0, 100, 130, 100, 130), (1, 130, 120, 90, 95))
    sweep = drawn(bad, Strategy(max_hold_min=1), Strategy(max_hold_min=2))
    outcomes = run(sweep)
    assert [STATUSES[code] for code in outcomes.status[:, 0]] == ["closed", "bad_data"]
    assert REASONS[outcomes.reason[1, 0]] == "high_below_open_or_close"
