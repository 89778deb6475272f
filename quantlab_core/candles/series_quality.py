"""What a series says of each of its candles beyond its values: how it came about, and what is missing before it.

Every column is a function of the slices alone. For a candle that opens in the k-th interval since 1970 and the candle
before it in the j-th, the intervals j+1 … k-1 have no candle: of these, ``silent_before`` lie wholly inside a source
span (the source was asked and had nothing) and ``unasked_before`` do not (nobody knows). Before the first candle
silence counts from the first span on, and what nobody asked for has no beginning: null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import Column, Integers, floats, microseconds
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, TOKEN_CANDLES
from quantlab_core.candles.resolution import RESOLUTIONS, step_of
from quantlab_core.candles.source_spans import SourceSpan, decode_spans
from quantlab_core.candles.spanned_intervals import SpannedIntervals


def with_quality(candles: pa.Table, slices: Sequence[pa.Table], conflicts: Integers) -> pa.Table:
    """The merged ``candles`` of one token, with their attributes, in the schema of a series.

    ``slices`` are what they were merged from, ``conflicts`` has for each candle how many others lost to it.
    """
    stamps = microseconds(candles["ts"])
    held = np.zeros(len(stamps), dtype=np.int64)
    for table in slices:
        held[np.searchsorted(stamps, np.unique(microseconds(table["ts"])))] += 1
    return _series(candles, pa.array(held, pa.int32()), pa.array(conflicts, pa.int32()))


def with_quality_of_version_1(series: pa.Table) -> pa.Table:
    """A stored series of version 1 in the schema of the newest: what only its slices could tell stays null."""
    unknown = pa.nulls(series.num_rows, pa.int32())
    return _series(series.sort_by("ts"), unknown, unknown)


def missing_before(
    stamps: Integers, resolution: str, spans: Sequence[SourceSpan]
) -> tuple[Integers, Integers] | tuple[None, None]:
    """Per candle the intervals missing before it that the source was asked for, and those that nobody asked for.

    ``stamps`` are ascending open times in microseconds. The second number of the first candle says nothing. Without a
    known resolution there are no intervals to count: (None, None).
    """
    if resolution not in RESOLUTIONS:
        return None, None
    step = step_of(resolution)
    intervals = stamps // step
    spanned = SpannedIntervals.of(spans, RESOLUTIONS[resolution])
    silent = spanned.before(intervals)
    silent[1:] -= spanned.before(intervals[:-1] + 1)
    unasked = -silent
    unasked[1:] += np.diff(intervals) - 1
    return silent, unasked


def _series(candles: pa.Table, slices: pa.Array[Any], conflicts: pa.Array[Any]) -> pa.Table:
    attributes = attributes_of(candles)
    stamps, volume = microseconds(candles["ts"]), floats(candles["volume"])
    silent, unasked = missing_before(
        stamps, attributes.get("resolution", ""), decode_spans(attributes.get("source_spans", "[]"))
    )
    is_first = np.arange(len(stamps)) == 0
    columns: list[Column] = [
        *(candles[name] for name in CANDLE_SCHEMA.names),
        slices,
        conflicts,
        pa.array(volume > 0, mask=np.isnan(volume)),
        pa.nulls(len(stamps), pa.int64()) if silent is None else pa.array(silent, pa.int64()),
        pa.nulls(len(stamps), pa.int64()) if unasked is None else pa.array(unasked, pa.int64(), mask=is_first),
    ]
    return pa.table(columns, schema=TOKEN_CANDLES.schema).replace_schema_metadata(candles.schema.metadata)
