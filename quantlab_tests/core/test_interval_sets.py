"""Union, difference and common parts of intervals, told by the whole numbers that lie in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.interval_sets import union_of, within, without

INTERVALS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), max_size=6)


def numbers(intervals: list[tuple[int, int]]) -> set[int]:
    return {number for start, end in intervals for number in range(start, end)}


def are_apart_and_in_order(intervals: list[tuple[int, int]]) -> bool:
    limits = [limit for interval in intervals for limit in interval]
    return limits == sorted(set(limits))


def test_intervals_that_touch_are_one_and_empty_ones_are_none() -> None:
    assert union_of([(4, 6), (1, 3), (3, 4), (8, 8), (9, 7)]) == [(1, 6)]
    assert without((1, 9), [(0, 2), (4, 6), (5, 7)]) == [(2, 4), (7, 9)]
    assert within((3, 9), [(1, 4), (4, 5), (8, 12)]) == [(3, 5), (8, 9)]


def test_instants_are_united_as_numbers_are() -> None:
    noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    one, two, three = (noon + timedelta(hours=hours) for hours in (1, 2, 3))
    assert union_of([(two, three), (noon, one), (one, two)]) == [(noon, three)]


@settings(deadline=None, derandomize=True, max_examples=200)
@given(INTERVALS, st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
def test_union_difference_and_common_part_hold_the_numbers_that_sets_would(
    intervals: list[tuple[int, int]], one: tuple[int, int]
) -> None:
    united, inside, outside = union_of(intervals), within(one, intervals), without(one, sorted(intervals))
    assert numbers(united) == numbers(intervals)
    assert numbers(inside) == numbers([one]) & numbers(intervals)
    assert numbers(without(one, united)) == numbers(outside) == numbers([one]) - numbers(intervals)
    assert are_apart_and_in_order(united)
    assert are_apart_and_in_order(inside)
    assert are_apart_and_in_order(without(one, united))
