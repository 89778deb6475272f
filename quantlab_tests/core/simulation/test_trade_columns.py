"""Candles and outcomes as arrays: they say what the objects say that they were made from."""

from __future__ import annotations

import numpy as np

from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.outcome_codes import EXIT_REASONS, REASONS, STATUSES
from quantlab_core.simulation.trade_columns import TradeColumns
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import T0, candles_table
from quantlab_tests.core.simulation.drawn_candles import draw
from quantlab_tests.core.simulation.drawn_outcomes import closed, untraded

A, B = Token("solana", "MintA"), Token("solana", "MintB")


def test_a_pack_holds_every_series_as_it_was() -> None:
    first, second = draw((0, 1, 2, 0.5, 1.5), (2, 1, 1, 1, 1)), draw((5, 3, 4, 2, 3), interval_min=5)
    pack = CandlePack.from_series({B: second, A: first})
    assert pack.tokens == (A, B)
    assert (len(pack), pack.rows) == (2, 3)
    for index, series in enumerate((first, second)):
        held = pack.series(index)
        assert held.interval_ms == series.interval_ms
        for name in ("ts_ms", "open", "high", "low", "close"):
            assert getattr(held, name).tolist() == getattr(series, name).tolist()
    assert len(CandlePack.from_series({})) == 0


def test_a_pack_of_tables_holds_the_spans_in_microseconds() -> None:
    pack = CandlePack.from_tables({A: candles_table((0, 1, 1, 1, 1), spans_min=[(0, 60), (120, 180)])})
    t0_us = int(T0.timestamp()) * 1_000_000
    minute = 60_000_000
    assert list(pack.spans_us(0)) == [(t0_us, t0_us + 60 * minute), (t0_us + 120 * minute, t0_us + 180 * minute)]


def test_calls_find_their_series() -> None:
    pack = CandlePack.from_series({B: draw((0, 1, 1, 1, 1)), A: draw()})
    calls = Calls.of(pack, [(B, 5), (Token("base", "0xabc"), 6)])
    assert calls.series_index.tolist() == [1, NO_SERIES]
    assert calls.tradable_from_ms.tolist() == [5, 6]


def test_outcomes_become_one_row_an_alert_and_one_leg_row_an_exit() -> None:
    trade = closed("a", 0, (60, 0.5, 2.0), (120, 0.5, 0.5), fee=0.01)
    columns = TradeColumns.from_outcomes([untraded("x", 5), trade])
    assert [STATUSES[code] for code in columns.status] == ["no_entry", "closed"]
    assert [REASONS[code] for code in columns.reason] == ["no_candle", ""]
    assert columns.is_closed.tolist() == [False, True]
    assert columns.alerts.alert_id.to_pylist() == ["x", "a"]
    assert columns.legs.offsets.tolist() == [0, 0, 2]
    assert columns.legs.price.tolist() == [2.0, 0.5]
    assert [EXIT_REASONS[code] for code in columns.legs.reason] == ["take_profit", "take_profit"]
    assert trade.position is not None
    assert columns.positions.exit_fees[1] == trade.position.exit_fees
    assert np.isnan(columns.positions.time_to_2x_s[1])
