"""Splits of time: blocks by hand, and the law that no trade's life crosses from training into a test."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.errors import InvalidInputError
from quantlab_core.statistics.time_folds import (
    DAY_US,
    Block,
    Fold,
    Split,
    TimeFolds,
    TrainTest,
    WalkForward,
    cut_time,
)

HOUR_US = DAY_US // 24
DAY_0 = (date(2025, 5, 1) - date(1970, 1, 1)).days


def cut(split: Split, days: int, *, life_h: int = 0, embargo_h: int = 0) -> tuple[Fold, ...]:
    """Folds of alerts at noon of ``days`` days from 2025-05-01 on."""
    noon = DAY_0 * DAY_US + 12 * HOUR_US
    return cut_time(
        split,
        first_alert_us=noon,
        last_alert_us=noon + (days - 1) * DAY_US,
        longest_life_us=life_h * HOUR_US,
        embargo_us=embargo_h * HOUR_US,
    )


def in_days(block: Block) -> tuple[float, float]:
    return block.start_us / DAY_US - DAY_0, block.end_us / DAY_US - DAY_0


def test_a_share_of_the_days_trains_and_the_rest_is_the_test() -> None:
    (fold,) = cut(TrainTest(train_share=0.7), 10, life_h=12, embargo_h=12)
    assert fold.label == ""
    assert [in_days(block) for block in fold.train] == [(0, 6)]
    assert in_days(fold.test) == (7, 10)


def test_a_date_begins_the_test() -> None:
    (fold,) = cut(TrainTest(test_from=date(2025, 5, 4)), 10)
    assert [in_days(block) for block in fold.train] == [(0, 3)]
    assert in_days(fold.test) == (3, 10)


def test_walking_forward_with_a_rolling_and_an_anchored_window() -> None:
    rolling = cut(WalkForward(4, 2), 9, life_h=6)
    assert [fold.label for fold in rolling] == ["01", "02", "03"]
    assert [in_days(fold.test) for fold in rolling] == [(4, 6), (6, 8), (8, 9)]
    assert [in_days(fold.train[0]) for fold in rolling] == [(0, 3.75), (2, 5.75), (4, 7.75)]
    anchored = cut(WalkForward(4, 2, "anchored"), 9, life_h=6)
    assert [fold.test for fold in anchored] == [fold.test for fold in rolling]
    assert [in_days(fold.train[0]) for fold in anchored] == [(0, 3.75), (0, 5.75), (0, 7.75)]


def test_folds_train_on_both_sides_at_a_distance() -> None:
    folds = cut(TimeFolds(3), 10, life_h=24)
    assert [in_days(fold.test) for fold in folds] == [(0, 3), (3, 6), (6, 10)]
    assert [[in_days(block) for block in fold.train] for fold in folds] == [[(4, 10)], [(0, 2), (7, 10)], [(0, 5)]]


def test_a_life_longer_than_the_training_leaves_none() -> None:
    assert cut(WalkForward(2, 3), 9, life_h=48)[0].train == ()


@pytest.mark.parametrize(
    ("split", "days", "message"),
    [
        (TrainTest(train_share=0.01), 10, "the cut leaves no day on one side of the 10 days with alerts"),
        (TrainTest(train_share=0.5), 1, "from 2025-05-01 to 2025-05-01"),
        (TrainTest(test_from=date(2026, 1, 1)), 10, "the cut leaves no day on one side"),
        (WalkForward(10, 2), 10, "train_days 10 leaves nothing to test of the 10 days"),
        (WalkForward(1, 1), 102, "makes 101 folds, at most 100"),
        (TimeFolds(5), 4, "5 folds need at least as many days, the alerts lie on 4"),
    ],
)
def test_days_that_do_not_suffice_are_refused_by_name(split: Split, days: int, message: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        cut(split, days)
    assert message in str(refusal.value)


SPLITS = st.one_of(
    st.builds(TrainTest, train_share=st.floats(0.2, 0.8)),
    st.builds(WalkForward, st.integers(1, 6), st.integers(1, 6), st.sampled_from(["rolling", "anchored"])),
    st.builds(TimeFolds, st.integers(2, 6)),
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(SPLITS, st.integers(8, 40), st.integers(0, 60), st.integers(0, 30))
def test_no_life_crosses_between_training_and_test(split: Split, days: int, life_h: int, embargo_h: int) -> None:
    distance = (life_h + embargo_h) * HOUR_US
    folds = cut(split, days, life_h=life_h, embargo_h=embargo_h)
    for fold in folds:
        assert fold.test.start_us < fold.test.end_us
        for block in fold.train:
            assert block.start_us < block.end_us
            is_before = block.end_us + distance <= fold.test.start_us
            is_after = block.start_us >= fold.test.end_us + distance
            assert is_before or is_after
    for fold, following in pairwise(folds):
        assert fold.test.end_us == following.test.start_us
    assert in_days(folds[-1].test)[1] == days
