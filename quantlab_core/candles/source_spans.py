"""Source spans: half-open UTC intervals for which a source was asked and answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from quantlab_core.artifacts.timestamp_text import format_timestamp_short, parse_timestamp
from quantlab_core.interval_sets import union_of, within


@dataclass(frozen=True, slots=True, order=True)
class SourceSpan:
    """[start, end) in UTC."""

    start: datetime
    end: datetime


def merge_spans(spans: Iterable[SourceSpan]) -> tuple[SourceSpan, ...]:
    """The union as disjoint spans in order; spans that touch are joined, empty ones dropped."""
    return tuple(SourceSpan(start, end) for start, end in union_of((span.start, span.end) for span in spans))


def clip_spans(spans: Iterable[SourceSpan], start: datetime, end: datetime) -> tuple[SourceSpan, ...]:
    """The parts of ``spans`` inside [start, end)."""
    inside = within((start, end), ((span.start, span.end) for span in spans))
    return tuple(SourceSpan(first, last) for first, last in inside)


def span_end_at(spans: Iterable[SourceSpan], instant: datetime) -> datetime | None:
    """End of the span that holds ``instant``, or None when no span does."""
    return next((span.end for span in spans if span.start <= instant < span.end), None)


def encode_spans(spans: Iterable[SourceSpan]) -> str:
    """Canonical JSON text, as stored in the ``source_spans`` attribute."""
    return json.dumps(
        [[format_timestamp_short(span.start), format_timestamp_short(span.end)] for span in spans],
        separators=(",", ":"),
    )


def decode_spans(text: str) -> tuple[SourceSpan, ...]:
    """The inverse of `encode_spans`."""
    return tuple(SourceSpan(parse_timestamp(start), parse_timestamp(end)) for start, end in json.loads(text))
