"""The interval of candles: as named, or proven by their steps, or not known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.interval_detection import detect_interval, resolution_named, stated_resolution
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.errors import CandleFileError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, candle, numbered

OTHER = Token("base", "0x4200000000000000000000000000000000000001")


def at(offsets: list[timedelta], token: Token = TOKEN) -> list[dict[str, object]]:
    return [candle(T0 + offset, token=token) for offset in offsets]


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_regular_candles_prove_their_interval(resolution: str) -> None:
    found = detect_interval(numbered(at([number * RESOLUTIONS[resolution] for number in range(11)])))
    assert found.resolution == resolution
    assert found.reason == f"11 times are on the grid of {resolution}, 10 of 10 steps are {resolution}"


def test_ten_times_prove_nothing() -> None:
    assert detect_interval(numbered(at([timedelta(minutes=number) for number in range(10)]))).resolution is None


def test_minutes_without_trades_do_not_hide_the_interval() -> None:
    minutes = [0, 1, 2, 3, 9, 14, 15, 31, 47, 48, 60]
    assert detect_interval(numbered(at([timedelta(minutes=number) for number in minutes]))).resolution == "1m"


@pytest.mark.parametrize("minutes", [2, 3, 10, 30, 120])
def test_an_interval_that_is_unknown_here_is_not_taken_for_a_finer_one(minutes: int) -> None:
    found = detect_interval(numbered(at([timedelta(minutes=minutes * number) for number in range(40)])))
    assert found.resolution is None
    assert "0 of 39 steps" in found.reason


def test_times_of_several_tokens_count_together() -> None:
    dense = [timedelta(minutes=number) for number in range(6)]
    assert detect_interval(numbered([*at(dense), *at(dense, OTHER)])).resolution == "1m"


def test_no_step_leads_from_one_token_to_another() -> None:
    """Each token trades every second minute and begins a minute after the one before has ended."""
    rows = [
        row
        for number in range(4)
        for row in at(
            [timedelta(minutes=5 * number + minute) for minute in (0, 2, 4)],
            Token("base", f"{OTHER.address[:-1]}{number}"),
        )
    ]
    found = detect_interval(numbered(rows))
    assert (found.rows, found.steps, found.resolution) == (12, 8, None)


def test_a_time_that_is_given_often_counts_once() -> None:
    found = detect_interval(numbered(at([timedelta(minutes=number % 4) for number in range(40)])))
    assert (found.rows, found.resolution) == (4, None)


def test_an_unfinished_last_candle_off_the_grid_does_not_hide_the_interval() -> None:
    offsets = [timedelta(minutes=5 * number) for number in range(21)]
    assert detect_interval(numbered(at([*offsets, timedelta(minutes=102, seconds=7)]))).resolution == "5m"


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data())
def test_what_is_found_is_never_finer_or_coarser_than_the_truth(data: st.DataObject) -> None:
    """Candles of one interval, thinned at random: it is found or it is not, but no other is."""
    resolution = data.draw(st.sampled_from(list(RESOLUTIONS)))
    seed = data.draw(st.integers(0, 2**31))
    share = data.draw(st.floats(0.2, 1.0))
    traded = np.flatnonzero(np.random.default_rng(seed).random(120) < share).tolist()
    found = detect_interval(numbered(at([number * RESOLUTIONS[resolution] for number in traded])))
    assert found.resolution in {resolution, None}


@pytest.mark.parametrize(
    ("written", "resolution"),
    [
        ("1m", "1m"), ("60", "1m"), ("60s", "1m"), ("60.0", "1m"), ("300", "5m"), ("15min", "15m"), ("15mins", "15m"),
        ("1H", "1h"), ("1h", "1h"), ("3600", "1h"), ("4H", "4h"), ("1D", "1d"), ("24h", "1d"), ("86400", "1d"),
        ("1M", None), ("3m", None), ("", None), ("soon", None), ("1", None), ("2H", None),
    ],
)  # fmt: skip
def test_names_of_intervals_are_known_and_a_month_is_none(written: str, resolution: str | None) -> None:
    assert resolution_named(written) == resolution


def test_a_column_of_intervals_states_one_or_is_refused_with_its_rows() -> None:
    numbers = np.arange(1, 4)
    assert stated_resolution(pa.array([60, 60, 60]), row_numbers=numbers, subject="x") == "1m"
    assert stated_resolution(pa.array(["1m", "60", "1min"]), row_numbers=numbers, subject="x") == "1m"
    with pytest.raises(CandleFileError, match=r"candles of 5m \(row 1\) and 1m \(row 3\).*one interval per file"):
        stated_resolution(pa.array([300, 300, 60]), row_numbers=numbers, subject="x")
    with pytest.raises(CandleFileError, match="interval '180' in row 2 is none of"):
        stated_resolution(pa.array([60, 180, 60]), row_numbers=numbers, subject="x")
    with pytest.raises(CandleFileError, match="interval '' in row 3"):
        stated_resolution(pa.array([60, 60, None]), row_numbers=numbers, subject="x")
