"""How much of a window a slice covers: for which of its intervals the source was asked, and what it had for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import Integers, floats, microseconds
from quantlab_core.candles.epoch_time import duration_microseconds
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan, clip_spans, decode_spans, spanned_intervals


@dataclass(frozen=True, slots=True)
class SliceCoverage:
    """Numbers of intervals: of the window, asked for, with a candle, with a trade. Each is a part of the one before."""

    expected: int
    spanned: int
    present: int
    traded: int


def slice_coverage(candles: pa.Table, start: datetime, end: datetime) -> SliceCoverage:
    """The coverage of [start, end) by a slice with its attributes. Intervals count that lie wholly in the window."""
    attributes = attributes_of(candles)
    step = RESOLUTIONS[attributes["resolution"]]
    window = SourceSpan(start, end)
    asked = clip_spans(decode_spans(attributes["source_spans"]), start, end)
    starts, ends = spanned_intervals(asked, step)
    intervals: Integers = microseconds(candles["ts"]) // duration_microseconds(step)
    run = np.searchsorted(starts, intervals, side="right") - 1
    inside = run >= 0
    inside[inside] = intervals[inside] < ends[run[inside]]
    return SliceCoverage(
        expected=_total(*spanned_intervals([window], step)),
        spanned=_total(starts, ends),
        present=int(inside.sum()),
        traded=int((floats(candles["volume"])[inside] > 0).sum()),
    )


def _total(starts: Integers, ends: Integers) -> int:
    return int((ends - starts).sum())
