"""Silent runs: the longest stretches of spanned minutes without a candle, and the longest one inside any window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab_core.candles.arrow_columns import Integers
from quantlab_core.candles.spanned_intervals import SpannedIntervals


@dataclass(frozen=True, slots=True)
class SilentRuns:
    """Disjoint half-open runs [start, end) in ascending order, all in minutes.

    ``longest[k][i]`` is the length of the longest of the 2**k runs from the i-th on: a sparse table, so that a window's
    longest run takes two look-ups however many runs it holds.
    """

    starts: Integers
    ends: Integers
    longest: tuple[Integers, ...]

    @classmethod
    def between(cls, spanned: SpannedIntervals, candles: Integers) -> SilentRuns:
        """The runs that ``candles`` (ascending, each in a spanned minute) leave in the spanned minutes."""
        starts = np.sort(np.concatenate((spanned.starts, candles + 1)))
        ends = np.sort(np.concatenate((candles, spanned.ends)))
        is_run = starts < ends
        starts, ends = starts[is_run], ends[is_run]
        levels = [ends - starts]
        while 2 ** len(levels) <= len(starts):
            half = 2 ** (len(levels) - 1)
            levels.append(np.maximum(levels[-1][:-half], levels[-1][half:]))
        return cls(starts, ends, tuple(levels))

    def longest_within(self, window_starts: Integers, window_ends: Integers) -> Integers:
        """Per window [start, end) the longest run inside it; runs that cross an edge count with their inner part."""
        first = np.searchsorted(self.ends, window_starts, side="right")
        last = np.searchsorted(self.starts, window_ends, side="left") - 1
        result = np.zeros(len(window_starts), dtype=np.int64)
        touches = first <= last
        for edge in (first, last):
            run = edge[touches]
            inner = np.minimum(self.ends[run], window_ends[touches]) - np.maximum(
                self.starts[run], window_starts[touches]
            )
            result[touches] = np.maximum(result[touches], inner)
        count = last - first - 1
        for level, longest in enumerate(self.longest):
            here = np.flatnonzero((count >= 2**level) & (count < 2 ** (level + 1)))
            low, high = first[here] + 1, last[here] - 2**level
            result[here] = np.maximum(result[here], np.maximum(longest[low], longest[high]))
        return result
