"""Source spans: half-open UTC intervals for which a source was asked and answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from quantlab_core.artifacts.timestamp_text import format_timestamp_short, parse_timestamp
from quantlab_core.candles.arrow_columns import Integers
from quantlab_core.candles.epoch_time import duration_microseconds, epoch_microseconds


@dataclass(frozen=True, slots=True, order=True)
class SourceSpan:
    """[start, end) in UTC."""

    start: datetime
    end: datetime


def merge_spans(spans: Iterable[SourceSpan]) -> tuple[SourceSpan, ...]:
    """The union as disjoint spans in order; spans that touch are joined, empty ones dropped."""
    merged: list[SourceSpan] = []
    for span in sorted(span for span in spans if span.start < span.end):
        if merged and span.start <= merged[-1].end:
            merged[-1] = SourceSpan(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return tuple(merged)


def clip_spans(spans: Iterable[SourceSpan], start: datetime, end: datetime) -> tuple[SourceSpan, ...]:
    """The parts of ``spans`` inside [start, end)."""
    return merge_spans(SourceSpan(max(span.start, start), min(span.end, end)) for span in spans)


def span_end_at(spans: Iterable[SourceSpan], instant: datetime) -> datetime | None:
    """End of the span that holds ``instant``, or None when no span does."""
    return next((span.end for span in spans if span.start <= instant < span.end), None)


def spanned_intervals(spans: Iterable[SourceSpan], step: timedelta) -> tuple[Integers, Integers]:
    """Starts and ends [first, last) of the runs of whole intervals inside the spans, counted in steps since 1970."""
    merged, length = merge_spans(spans), duration_microseconds(step)
    starts = np.array([-(-epoch_microseconds(span.start) // length) for span in merged], dtype=np.int64)
    ends = np.array([epoch_microseconds(span.end) // length for span in merged], dtype=np.int64)
    holds_one = starts < ends
    return starts[holds_one], ends[holds_one]


def encode_spans(spans: Iterable[SourceSpan]) -> str:
    """Canonical JSON text, as stored in the ``source_spans`` attribute."""
    return json.dumps(
        [[format_timestamp_short(span.start), format_timestamp_short(span.end)] for span in spans],
        separators=(",", ":"),
    )


def decode_spans(text: str) -> tuple[SourceSpan, ...]:
    """The inverse of `encode_spans`."""
    return tuple(SourceSpan(parse_timestamp(start), parse_timestamp(end)) for start, end in json.loads(text))
