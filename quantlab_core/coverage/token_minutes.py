"""One token's one-minute series as sorted minutes: what all counting of coverage works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import Floats, Integers, Mask, floats, microseconds
from quantlab_core.candles.epoch_time import MINUTE_US, epoch_microseconds
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, merge_spans
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token


@dataclass(frozen=True)
class TokenMinutes:
    """Disjoint spans, and the candles inside them, in minutes since the epoch."""

    span_starts: Integers
    span_ends: Integers
    minutes: Integers
    traded_before: Integers
    """Traded candles among the first k; one longer than ``minutes``."""

    @classmethod
    def of(cls, token: Token, table: pa.Table | None) -> TokenMinutes:
        """The minutes of the token's series; without a series nothing is spanned.

        Raises InvalidInputError for a series of another resolution.
        """
        if table is None:
            nothing = np.zeros(0, dtype=np.int64)
            return cls(nothing, nothing, nothing, np.zeros(1, dtype=np.int64))
        attributes = attributes_of(table)
        if attributes.get("resolution") != "1m":
            raise InvalidInputError(
                f"{token.partition_key}: coverage counts minutes and needs a 1m series, "
                f"not {attributes.get('resolution')}"
            )
        starts, ends = _whole_minutes(decode_spans(attributes["source_spans"]))
        ordered = table.sort_by("ts")
        minutes = microseconds(ordered["ts"]) // MINUTE_US
        span = np.searchsorted(starts, minutes, side="right") - 1
        inside = span >= 0
        inside[inside] = minutes[inside] < ends[span[inside]]
        volume: Floats = floats(ordered["volume"])[inside]
        return cls(starts, ends, minutes[inside], _running_total(volume > 0))

    @cached_property
    def _spanned_before_span(self) -> Integers:
        return _running_total(self.span_ends - self.span_starts)

    def spanned_before(self, minutes: Integers) -> Integers:
        """How many spanned minutes lie before each of ``minutes``."""
        full = np.searchsorted(self.span_ends, minutes, side="right")
        has_next = full < len(self.span_starts)
        into_next = np.zeros(len(minutes), dtype=np.int64)
        into_next[has_next] = np.maximum(0, minutes[has_next] - self.span_starts[full[has_next]])
        return self._spanned_before_span[full] + into_next


def _whole_minutes(spans: Sequence[SourceSpan]) -> tuple[Integers, Integers]:
    """Starts and ends, in minutes, of the whole minutes inside the spans."""
    merged = merge_spans(spans)
    starts = np.array([-(-epoch_microseconds(span.start) // MINUTE_US) for span in merged], dtype=np.int64)
    ends = np.array([epoch_microseconds(span.end) // MINUTE_US for span in merged], dtype=np.int64)
    holds_one = starts < ends
    return starts[holds_one], ends[holds_one]


def _running_total(values: Integers | Mask) -> Integers:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)))
