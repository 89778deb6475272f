"""The whole intervals of one length that source spans hold: what a source was asked for, to be counted and looked up.

The k-th interval of a length is [k, k + 1) of it since 1970-01-01 00:00 UTC, as its candles lie (see `resolution`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np

from quantlab_core.candles.arrow_columns import Integers, Mask
from quantlab_core.candles.epoch_time import duration_microseconds, epoch_microseconds
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.interval_sets import union_of


@dataclass(frozen=True)
class SpannedIntervals:
    """Runs [start, end) of intervals by number, in order, none empty, with an interval between any two."""

    starts: Integers
    ends: Integers

    @classmethod
    def of(cls, spans: Iterable[SourceSpan], length: timedelta) -> SpannedIntervals:
        """Those that lie wholly inside a span; spans that touch are one."""
        stamps = ((epoch_microseconds(span.start), epoch_microseconds(span.end)) for span in spans)
        return cls.of_stamps(stamps, duration_microseconds(length))

    @classmethod
    def of_stamps(cls, spans_us: Iterable[tuple[int, int]], step: int) -> SpannedIntervals:
        """Those of ``step`` microseconds that lie wholly inside a span [start, end) in epoch microseconds."""
        merged = union_of(spans_us)
        starts = np.array([-(-start // step) for start, _ in merged], dtype=np.int64)
        ends = np.array([end // step for _, end in merged], dtype=np.int64)
        holds_one = starts < ends
        return cls(starts[holds_one], ends[holds_one])

    @property
    def total(self) -> int:
        """How many there are."""
        return int(self._before_run[-1])

    def hold(self, intervals: Integers) -> Mask:
        """Per number of ``intervals`` whether it is one of these."""
        # Runs are apart and in order: an interval lies in one exactly when it has passed a start but no end.
        edges = np.column_stack((self.starts, self.ends)).ravel()
        held: Mask = np.searchsorted(edges, intervals, side="right") % 2 == 1
        return held

    def before(self, intervals: Integers) -> Integers:
        """How many of these lie before each number of ``intervals``."""
        over = np.searchsorted(self.ends, intervals, side="right")
        has_next = over < len(self.starts)
        into_next = np.zeros(len(intervals), dtype=np.int64)
        into_next[has_next] = np.maximum(0, intervals[has_next] - self.starts[over[has_next]])
        return self._before_run[over] + into_next

    @cached_property
    def _before_run(self) -> Integers:
        """Intervals in the first k runs; one longer than the runs."""
        return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(self.ends - self.starts, dtype=np.int64)))
