"""Files with candles of another interval than declared are refused, with the rows named."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from quantlab_core.candles.mixed_intervals import refuse_mixed_intervals
from quantlab_core.errors import CandleFileError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import candle, minute, numbered


def check(minutes: list[int], resolution: str = "1m", **arguments: bool) -> None:
    rows = numbered([candle(number) for number in minutes])
    refuse_mixed_intervals(rows, resolution=resolution, subject="file.csv", **arguments)


def test_gaps_of_whole_minutes_are_fine() -> None:
    check([0, 1, 2, 5, 10, 15, 16, 60, 120, 121])


def test_a_token_that_trades_at_random_is_fine() -> None:
    chance = random.Random(7)
    check([number for number in range(20_000) if chance.random() < 0.2])


def test_a_coarser_interval_is_named_with_its_remedy() -> None:
    with pytest.raises(CandleFileError, match=r"row 1 at 2025-05-01T00:00:00Z.*declare --resolution 5m"):
        check(list(range(0, 55, 5)))
    check(list(range(0, 55, 5)), resolution="5m")


def test_ten_equal_steps_are_the_limit() -> None:
    check(list(range(0, 50, 5)))


def test_equal_steps_off_the_coarser_grid_are_gaps() -> None:
    check(list(range(2, 102, 5)))


def test_two_intervals_in_one_file_are_refused_whichever_is_declared() -> None:
    five_then_one = [*range(0, 60, 5), *range(72, 88)]
    with pytest.raises(CandleFileError, match=r"12 rows in a row are exactly 5m apart .*split the file"):
        check(five_then_one)
    with pytest.raises(
        CandleFileError, match=r"13 rows are not on the grid of 5m candles \(row 13 at 2025-05-01T01:12:00Z"
    ):
        check(five_then_one, resolution="5m")


def test_rows_are_judged_in_order_of_time_with_duplicates_counted_once() -> None:
    newest_first = sorted([*range(0, 60, 5), *range(0, 60, 5)], reverse=True)
    with pytest.raises(CandleFileError, match="12 rows in a row are exactly 5m apart"):
        check(newest_first)


def test_a_token_that_trades_by_the_clock_can_be_declared() -> None:
    check(list(range(0, 55, 5)), accept_regular_gaps=True)


def test_tokens_are_judged_apart() -> None:
    other = Token("solana", "Other")
    rows = [
        *(candle(number) for number in range(0, 30, 5)),
        *(candle(number, token=other) for number in range(30, 60, 5)),
    ]
    refuse_mixed_intervals(numbered(rows), resolution="1m", subject="file.csv")


def test_two_stray_stamps_are_left_to_the_quarantine_and_three_are_refused() -> None:
    strays = [candle(minute(number) + timedelta(seconds=37)) for number in range(3)]
    refuse_mixed_intervals(numbered([candle(0), *strays[:2]]), resolution="1m", subject="file.csv")
    with pytest.raises(CandleFileError, match="3 rows are not on the grid of 1m candles"):
        refuse_mixed_intervals(numbered([candle(0), *strays]), resolution="1m", subject="file.csv")


def test_a_file_without_rows_is_fine() -> None:
    check([])
