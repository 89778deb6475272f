"""How much of a window a slice covers: for which of its intervals the source was asked, and what it had for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import floats, microseconds
from quantlab_core.candles.epoch_time import duration_microseconds
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan, clip_spans, decode_spans
from quantlab_core.candles.spanned_intervals import SpannedIntervals


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
    window = SpannedIntervals.of([SourceSpan(start, end)], step)
    asked = SpannedIntervals.of(clip_spans(decode_spans(attributes["source_spans"]), start, end), step)
    inside = asked.hold(microseconds(candles["ts"]) // duration_microseconds(step))
    return SliceCoverage(
        expected=window.total,
        spanned=asked.total,
        present=int(inside.sum()),
        traded=int((floats(candles["volume"])[inside] > 0).sum()),
    )
