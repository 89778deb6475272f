"""A trade over its candles: places on the drawing worked out by hand, and what is drawn when there is little."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_resources.reports.trade_chart import HEIGHT, WIDTH, Mark, trade_chart

MINUTE = 60_000
START = 1_746_100_800_000  # 2025-05-01 12:00


def series(*prices: float, interval_ms: int = MINUTE, start: int = START) -> CandleSeries:
    """Candles that open at one price, and close at the next; highs and lows are those of the body."""
    opened, closed = np.array(prices[:-1]), np.array(prices[1:])
    stamps = start + np.arange(len(opened), dtype=np.int64) * interval_ms
    return CandleSeries(stamps, opened, np.maximum(opened, closed), np.minimum(opened, closed), closed, interval_ms)


def bought(minute: float, price: float) -> Mark:
    return Mark(START + int(minute * MINUTE), price, True, "bought")


def sold(minute: float, price: float, text: str = "sold") -> Mark:
    return Mark(START + int(minute * MINUTE), price, False, text)


def bodies(svg: str, kind: str) -> int:
    found = re.search(rf'class="body {kind}" d="([^"]*)"', svg)
    return found[1].count("Z") if found else 0


def test_places_are_those_worked_out_by_hand() -> None:
    """Held from 10 to 20 min: the window is 0 to 30 min, 386 wide from 8; prices 1 to 2 with 6 % room, 194 high."""
    svg = trade_chart(series(*np.linspace(1, 2, 31)), [bought(10, 1.0), sold(20, 2.0)], START + 10 * MINUTE, name="x")
    x_bought, x_sold = 8 + 386 / 3, 8 + 386 * 2 / 3
    y_low, y_high = 208 - 194 * 0.06 / 1.12, 208 - 194 * 1.06 / 1.12
    assert f'class="buy" d="M{x_bought:.1f} {y_low:.1f}l' in svg
    assert f'class="sell" d="M{x_sold:.1f} {y_high:.1f}l' in svg
    assert f'<rect class="held" x="{x_bought:.1f}" y="14.0" width="{x_sold - x_bought:.1f}"' in svg
    assert (bodies(svg, "up"), bodies(svg, "down")) == (30, 0)


def test_long_trades_are_drawn_in_wider_candles_that_keep_highs_and_lows() -> None:
    """Two days are 2,880 candles and a window of 3,571 minutes: in hours, which start on the hour."""
    prices = np.full(2_881, 4.0)
    prices[1_000], prices[2_000] = 7.0, 2.0
    svg = trade_chart(series(*prices), [bought(0, 4.0), sold(2_880, 4.0)], START, name="x")
    assert bodies(svg, "up") + bodies(svg, "down") == 48
    wicks = "".join(re.findall(r'class="wick \w+" d="([^"]*)"', svg))
    places = [float(y) for _, y in re.findall(r"M([\d.]+) ([\d.]+)V", wicks)]
    assert min(places) == pytest.approx(14 + 194 * 0.06 / 1.12, abs=0.06), "7, the highest price"


def test_large_gains_are_drawn_on_a_logarithmic_scale() -> None:
    prices = np.geomspace(1, 100, 61)
    svg = trade_chart(series(*prices), [bought(0, 1.0), sold(60, 100.0)], START, name="x")
    heights = [float(y) for y in re.findall(r'class="grid" d="M[\d.]+ ([\d.]+)H', svg)]
    steps = np.diff(heights)
    assert np.allclose(steps, steps[0], atol=3.5), "prices equally many times apart are equally far apart"


def test_silence_stays_empty() -> None:
    early, late = series(1, 2, 1), series(2, 1, start=START + 50 * MINUTE)
    columns = ("ts_ms", "open", "high", "low", "close")
    both = CandleSeries(
        *(np.concatenate([getattr(early, name), getattr(late, name)]) for name in columns),
        MINUTE,
    )  # fmt: skip
    svg = trade_chart(both, [bought(0, 1.0), sold(51, 1.0)], START, name="x")
    assert bodies(svg, "up") + bodies(svg, "down") == 3


@pytest.mark.parametrize(
    ("given_series", "marks"),
    [
        (series(1, 2), []),
        (series(1, 2, start=START + 10**9), [bought(0, 1.0), sold(5, 1.0)]),
        (series(1), [bought(0, 1.0)]),
        (series(1, float("nan")), [bought(0, 1.0)]),
    ],
)
def test_without_a_candle_or_a_fill_there_is_no_drawing(given_series: CandleSeries, marks: list[Mark]) -> None:
    assert trade_chart(given_series, marks, START, name="x") == ""


def test_names_and_reasons_are_escaped() -> None:
    marks = [bought(0, 1.0), sold(1, 2.0, "<b>&sold")]
    svg = trade_chart(series(1, 2, 1), marks, START, name='"><script>')
    assert "<script" not in svg
    assert 'aria-label="&quot;&gt;&lt;script&gt;"' in svg
    assert "<title>&lt;b&gt;&amp;sold</title>" in svg


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(1e-9, 1e9), min_size=2, max_size=60),
    st.integers(0, 100_000),
    st.sampled_from([MINUTE, 5 * MINUTE, 1_440 * MINUTE]),
)
def test_nothing_is_drawn_outside_of_the_drawing(prices: list[float], held_min: int, interval_ms: int) -> None:
    marks = [bought(0, prices[0]), sold(held_min, prices[-1])]
    svg = trade_chart(series(*prices, interval_ms=interval_ms), marks, START, name="x")
    places = [(float(x), float(y)) for x, y in re.findall(r"M([-\d.]+) ([-\d.]+)", svg)]
    assert all(-WIDTH * 0.05 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert "nan" not in svg
