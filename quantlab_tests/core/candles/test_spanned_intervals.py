"""Whole intervals inside source spans, counted one by one beside the look-ups."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.epoch_time import EPOCH
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.spanned_intervals import SpannedIntervals

MINUTE = timedelta(minutes=1)


def span(start_s: int, end_s: int) -> SourceSpan:
    return SourceSpan(EPOCH + timedelta(seconds=start_s), EPOCH + timedelta(seconds=end_s))


def test_only_intervals_that_lie_wholly_inside_a_span_count() -> None:
    # 0:30 to 3:30 holds the minutes 1 and 2, 5:00 to 6:00 the minute 5, 8:10 to 8:50 none.
    spanned = SpannedIntervals.of([span(30, 210), span(300, 360), span(490, 530)], MINUTE)
    assert (spanned.starts.tolist(), spanned.ends.tolist(), spanned.total) == ([1, 5], [3, 6], 3)
    assert spanned.hold(np.arange(7)).tolist() == [False, True, True, False, False, True, False]
    assert spanned.before(np.arange(8)).tolist() == [0, 0, 1, 2, 2, 2, 3, 3]


def test_without_spans_nothing_is_held() -> None:
    spanned = SpannedIntervals.of([], MINUTE)
    assert (spanned.total, spanned.hold(np.arange(2)).tolist(), spanned.before(np.arange(2)).tolist()) == (
        0,
        [False, False],
        [0, 0],
    )


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.tuples(st.integers(-600, 600), st.integers(-600, 600)), max_size=5))
def test_what_is_held_and_what_lies_before_agree_with_counting(limits: list[tuple[int, int]]) -> None:
    spans = [span(min(pair), max(pair)) for pair in limits]
    seconds = {second for pair in limits for second in range(min(pair), max(pair))}
    intervals = np.arange(-12, 12)
    whole = [all(60 * one + second in seconds for second in range(60)) for one in intervals.tolist()]
    spanned = SpannedIntervals.of(spans, MINUTE)
    assert spanned.hold(intervals).tolist() == whole
    assert spanned.before(intervals).tolist() == [sum(whole[:position]) for position in range(len(whole))]
    assert spanned.total == sum(whole)
