"""Sums of runs of numbers, each the float nearest to the true sum: they depend neither on order nor on neighbours."""

from __future__ import annotations

import math

import numpy as np

from quantlab_core.candles.arrow_columns import Floats, Integers


def exact_sums(values: Floats, firsts: Integers) -> list[float | None]:
    """Per run the sum of its values; None where one of them is NaN, that is, unknown.

    A run begins at each of ``firsts`` (ascending, from 0) and ends before the next. Raises OverflowError when a sum is
    more than a float64 holds.
    """
    if not len(firsts):
        return []
    unknown = np.logical_or.reduceat(np.isnan(values), firsts).tolist()
    numbers, bounds = values.tolist(), [*firsts.tolist(), len(values)]
    return [
        None if has_unknown else math.fsum(numbers[bounds[run] : bounds[run + 1]])
        for run, has_unknown in enumerate(unknown)
    ]
