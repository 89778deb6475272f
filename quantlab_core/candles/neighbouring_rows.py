"""Rows of columns beside the row before them: which are equal to it, where runs and groups begin, whether all rise."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from quantlab_core.candles.arrow_columns import Integers, Mask, row_positions

Values = npt.NDArray[Any]


def repeats_previous(*columns: Values) -> Mask:
    """Per row whether all columns equal those of the row before; never for the first. NaN equals nothing."""
    repeats = np.zeros(len(columns[0]), dtype=np.bool_)
    repeats[1:] = np.logical_and.reduce([column[1:] == column[:-1] for column in columns])
    return repeats


def run_starts(*columns: Values) -> Integers:
    """Positions at which a run of equal rows begins."""
    return row_positions(~repeats_previous(*columns))


def group_ranges(groups: Integers, number: int) -> list[tuple[int, int]]:
    """[start, end) of the rows of each group from 0 to ``number`` - 1, in rows sorted by group; one may have none."""
    return list(pairwise(np.searchsorted(groups, np.arange(number + 1)).tolist()))


def rises(groups: Integers, stamps: Integers) -> bool:
    """Whether the rows stand by group and time, and none has group and time of another."""
    return bool(((np.diff(groups) > 0) | (np.diff(groups) == 0) & (np.diff(stamps) > 0)).all())
