"""Rows compared with the row before them, and the ranks that a source's own columns give."""

from __future__ import annotations

import numpy as np
import pytest

from quantlab_core.candles.neighbouring_rows import group_ranges, repeats_previous, rises, run_starts
from quantlab_core.candles.source_preference import preference

GROUPS = np.array([0, 0, 0, 2, 2])
STAMPS = np.array([5, 5, 7, 7, 7])


def test_a_row_repeats_the_one_before_only_in_all_columns() -> None:
    assert repeats_previous(GROUPS, STAMPS).tolist() == [False, True, False, False, True]
    assert run_starts(GROUPS, STAMPS).tolist() == [0, 2, 3]
    assert repeats_previous(np.array([np.nan, np.nan])).tolist() == [False, False]


def test_a_group_without_rows_has_an_empty_range() -> None:
    assert group_ranges(GROUPS, 4) == [(0, 3), (3, 3), (3, 5), (5, 5)]


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row_are_runs_that_rise(rows: int) -> None:
    column = np.zeros(rows, dtype=np.int64)
    assert run_starts(column).tolist() == list(range(rows))
    assert rises(column, column)


@pytest.mark.parametrize(
    ("groups", "stamps", "expected"),
    [([0, 0, 1], [1, 2, 0], True), ([0, 0], [1, 1], False), ([0, 0], [2, 1], False), ([1, 0], [1, 2], False)],
)
def test_rows_rise_by_group_then_time(groups: list[int], stamps: list[int], expected: bool) -> None:
    assert rises(np.array(groups), np.array(stamps)) is expected


def test_quality_goes_before_the_time_of_taking_in_and_no_quality_is_last() -> None:
    quality, ingested = np.array([1.0, np.nan, 1.0, 2.0, 1.0]), np.array([3, 9, 4, 0, 3])
    assert preference(5, quality, ingested).tolist() == [2, 1, 3, 4, 2]  # type: ignore[union-attr]
    assert preference(2, None, np.array([7, 6])).tolist() == [2, 1]  # type: ignore[union-attr]
    assert preference(2, np.array([np.nan, 0.5]), None).tolist() == [1, 2]  # type: ignore[union-attr]
    assert preference(2, None, None) is None
