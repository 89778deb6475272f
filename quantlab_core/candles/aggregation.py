"""Coarser candles from finer ones, exactly.

A bucket is [k · step, (k + 1) · step) counted from 1970-01-01 00:00 UTC (see `resolution`). Its candle has the open of
the earliest and the close of the latest candle in it, the highest high, the lowest low and the sum of all volumes:

- The sum is `math.fsum`: the float nearest to the true sum, so it does not depend on the order of the rows. It is null
  when one of its volumes is: a part of an unknown amount is unknown.
- A bucket is given only when the source was asked for all of it, that is, when it lies wholly inside a span. What
  begins or ends with a span is left out, so a candle never changes when more of the series becomes known.
- A bucket without candles stays absent. Silence is no flat candle.

Prices come out the same in one step or in several (1m → 1h, 1m → 15m → 1h). Volumes are rounded at each step, so that
two ways may differ in the last bit where the sums are no whole numbers; take one step where that matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.arrow_columns import Integers, floats, instants, microseconds, rows_at
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.epoch_time import instant_of, iso_text
from quantlab_core.candles.exact_sums import exact_sums
from quantlab_core.candles.neighbouring_rows import run_starts
from quantlab_core.candles.resolution import finer_than, length_of, step_of
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, encode_spans
from quantlab_core.candles.spanned_intervals import SpannedIntervals
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.errors import InvalidInputError


def aggregate_candles(candles: pa.Table, *, resolution: str, spans: Sequence[SourceSpan]) -> pa.Table:
    """The candles of one token at a coarser resolution: candle schema, sorted by ``ts``, no attributes.

    ``candles`` has the candle columns in any order of rows; its resolution divides ``resolution`` (`finer_than`).
    ``spans`` say for which time its source was asked; touching ones are one. Raises InvalidInputError for an unknown
    resolution, for candles of several tokens, for two candles of one time, and for a volume that no float64 can hold.
    """
    step = step_of(resolution)
    candles = _by_time(candles.select(CANDLE_SCHEMA.names).cast(CANDLE_SCHEMA))
    buckets = microseconds(candles["ts"]) // step
    is_whole = SpannedIntervals.of(spans, length_of(resolution)).hold(buckets)
    if not is_whole.all():
        candles, buckets = candles.filter(pa.array(is_whole)), buckets[is_whole]
    if not len(buckets):
        return CANDLE_SCHEMA.empty_table()
    firsts = run_starts(buckets)
    lasts = np.append(firsts[1:], len(buckets)) - 1
    columns = {
        **{name: rows_at(candles, firsts)[name] for name in ("token_address", "chain", "open")},
        "ts": instants(buckets[firsts] * step),
        "high": pa.array(np.maximum.reduceat(floats(candles["high"]), firsts)),
        "low": pa.array(np.minimum.reduceat(floats(candles["low"]), firsts)),
        "close": pa.array(floats(candles["close"])[lasts]),
        "volume": pa.array(_volumes(candles, firsts), pa.float64()),
    }
    return pa.table([columns[name] for name in CANDLE_SCHEMA.names], schema=CANDLE_SCHEMA)


def aggregate_series(series: pa.Table, resolution: str) -> pa.Table:
    """A slice or token series at a coarser resolution, with the attributes of one.

    Spans and units are read from its attributes; the result's spans are cut to whole buckets. Raises InvalidInputError
    when ``resolution`` is no multiple of the series' own, and as `aggregate_candles`.
    """
    attributes = attributes_of(series)
    own = attributes["resolution"]
    length_of(resolution)
    if not finer_than([own], resolution):
        raise InvalidInputError(f"candles of {resolution} cannot be made of candles of {own}; take a finer series")
    spans = decode_spans(attributes["source_spans"])
    return with_attributes(
        aggregate_candles(series, resolution=resolution, spans=spans),
        {
            **attributes,
            "resolution": resolution,
            "source_spans": encode_spans(whole_bucket_spans(spans, resolution)),
        },
    )


def whole_bucket_spans(spans: Iterable[SourceSpan], resolution: str) -> tuple[SourceSpan, ...]:
    """The spans, united and each cut to the whole buckets inside it; one that holds no whole bucket is dropped."""
    step = step_of(resolution)
    whole = SpannedIntervals.of(spans, length_of(resolution))
    cut = zip((whole.starts * step).tolist(), (whole.ends * step).tolist(), strict=True)
    return tuple(SourceSpan(instant_of(start), instant_of(end)) for start, end in cut)


def _by_time(candles: pa.Table) -> pa.Table:
    """The rows by ``ts``, checked to be one series."""
    if len(tokens := token_codes(candles).tokens) > 1:
        raise InvalidInputError(f"candles of {' and '.join(token.partition_key for token in tokens[:2])} are no series")
    stamps = microseconds(candles["ts"])
    order = np.argsort(stamps, kind="stable").astype(np.int64)
    stamps = stamps[order]
    repeated = np.flatnonzero(stamps[1:] == stamps[:-1])
    if len(repeated):
        twice = f"{tokens[0].partition_key} has two candles at {iso_text(stamps[repeated[0]])}"
        raise InvalidInputError(f"{twice}; merge them before they are aggregated")
    return rows_at(candles, order)


def _volumes(candles: pa.Table, firsts: Integers) -> list[float | None]:
    try:
        return exact_sums(floats(candles["volume"]), firsts)
    except OverflowError:
        start, end = (iso_text(microseconds(candles["ts"])[row]) for row in (0, -1))
        raise InvalidInputError(
            f"volumes between {start} and {end} add up to more than a float64 holds; look at the volumes of that time"
        ) from None
