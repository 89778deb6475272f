"""The chart of a token's series: drawn for whatever a series can be, the same for the same series."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest

from quantlab_resources.reports.token_chart import token_chart_png
from quantlab_tests.core.candles.candle_tables import candle, minute, series

CALL = (0xC2, 0x41, 0x0C)
SILENT, UNASKED = (0xFD, 0xF0, 0xD0), (0xD9, 0xDD, 0xE3)
EDGES = 0.001
"""Pixels at the edges of letters and lines may have any colour."""


def pixels(picture: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return (imread(io.BytesIO(picture))[:, :, :3] * 255).round().astype(int)


def share_of(colour: tuple[int, int, int], picture: bytes) -> float:
    """How much of the picture has this colour."""
    image = pixels(picture)
    return float((np.abs(image - np.array(colour)).max(axis=2) <= 3).mean())


DENSE = [candle(number) for number in range(60)]


def test_equal_series_give_equal_bytes_in_any_order_of_rows() -> None:
    table = series(DENSE, [(0, 60)])
    picture = token_chart_png(table)
    assert picture.startswith(b"\x89PNG")
    assert token_chart_png(table) == picture
    assert token_chart_png(table.take(pa.array(range(59, -1, -1)))) == picture


def test_silence_and_time_that_nobody_asked_for_are_shaded_apart() -> None:
    full = token_chart_png(series(DENSE, [(0, 60)]))
    assert max(share_of(SILENT, full), share_of(UNASKED, full)) < EDGES
    half = [row for number, row in enumerate(DENSE) if not 20 <= number < 40]
    silent = token_chart_png(series(half, [(0, 60)]))
    assert share_of(SILENT, silent) > 0.15
    assert share_of(UNASKED, silent) < EDGES
    unasked = token_chart_png(series(half, [(0, 20), (40, 60)]))
    assert share_of(SILENT, unasked) < EDGES
    assert share_of(UNASKED, unasked) > 0.1


def test_calls_are_marked_where_they_lie_in_the_time_that_is_shown() -> None:
    table = series(DENSE, [(0, 60)])
    plain, marked = token_chart_png(table), token_chart_png(table, [minute(20), minute(40)])
    assert share_of(CALL, plain) == 0
    assert share_of(CALL, marked) > share_of(CALL, token_chart_png(table, [minute(20)])) > 0
    assert token_chart_png(table, [minute(-5), minute(500)]) == plain


@pytest.mark.parametrize(
    "table",
    [
        series([candle(3)]),
        series([], [(0, 60)]),
        series([candle(3, volume=None)], [(0, 60)]),
        series([candle(0, open=1e-9, high=1e-9, low=1e-9, close=1e-9), candle(1, high=1e9)], [(0, 2)]),
        series([candle(0), candle(60)], [(0, 120)], resolution="1h"),
        series([candle(0), candle(1)], [(0, 120)], resolution="unknown"),
        series([candle(0), candle(600_000)], [(0, 10), (600_000, 600_010)]),
    ],
    ids=["one candle", "only silence", "no volume", "18 orders of magnitude", "hours", "unknown", "a year apart"],
)
def test_every_series_that_can_be_has_a_chart(table: pa.Table) -> None:
    assert token_chart_png(table).startswith(b"\x89PNG")


def test_a_series_that_holds_nothing_has_none() -> None:
    assert token_chart_png(series([])) == b""
