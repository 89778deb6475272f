"""How well the time after each alert is covered. The formulas are ours; `docs/coverage.md` works them through.

For an alert at time a, with whole minutes m = [m, m + 1 min):

- t0 = first whole minute strictly after a; the horizon of h hours is the minutes of [t0, t0 + h);
- expected = 60 h; spanned = expected minutes that lie wholly inside a source span of the token's series;
- present = spanned minutes with a candle; traded = present minutes whose candle has a volume above zero;
- largest silence = longest run of neighbouring spanned minutes without a candle;
- span ratio = spanned / expected; activity ratio = traded / spanned (null when nothing is spanned);
- verdict = pending while t0 + h is after the as-of time, else by span ratio: good >= 0.95, partial >= 0.80,
  none = 0, poor otherwise.

So 0 <= traded <= present <= spanned <= expected. Silence inside a span never lowers the verdict: a token that died
after the call is covered, and must stay in an experiment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.arrow_columns import Floats, Integers, Mask, floats, microseconds
from quantlab_core.candles.epoch_time import MINUTE_US, epoch_microseconds
from quantlab_core.candles.source_spans import SourceSpan, decode_spans, merge_spans
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE
from quantlab_core.coverage.silent_runs import SilentRuns
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token

HORIZONS_H = (1, 4, 12, 24, 48)
GOOD_SPAN_RATIO = 0.95
PARTIAL_SPAN_RATIO = 0.80
NO_CANDLE = np.int64(-1)


@dataclass(frozen=True, slots=True)
class _Series:
    """One token's series in minutes since the epoch: disjoint spans, and the candles inside them."""

    span_starts: Integers
    span_ends: Integers
    minutes: Integers
    traded_before: Integers
    """Traded candles among the first k; one longer than ``minutes``."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """One value per query, in minutes; candle minutes are `NO_CANDLE` where there is none."""

    spanned: Integers
    present: Integers
    traded: Integers
    first: Integers
    last: Integers
    silence: Integers


def forward_coverage(alerts: pa.Table, candles: Mapping[Token, pa.Table], *, as_of: datetime) -> pa.Table:
    """One row per alert and horizon, with the schema and order of ``alert_forward_coverage_v1``.

    ``alerts`` has ``alert_ts_utc``, ``alert_id``, ``chain`` and ``mint``. ``candles`` has the 1m series of tokens with
    their attributes; a token that is absent is covered by nothing. ``as_of`` is the instant at which the series were
    frozen. Raises InvalidInputError for a series of another resolution.
    """
    stamps = microseconds(alerts["alert_ts_utc"])
    encoded = token_codes(alerts, "mint")
    first_minutes = stamps // MINUTE_US + 1
    horizon_minutes = np.array(HORIZONS_H, dtype=np.int64) * 60
    starts = np.repeat(first_minutes, len(HORIZONS_H))
    ends = starts + np.tile(horizon_minutes, len(stamps))
    counts = _count(encoded.tokens, np.repeat(encoded.codes, len(HORIZONS_H)), starts, ends, candles)
    expected = ends - starts
    span_ratio = counts.spanned / expected
    is_spanned = counts.spanned > 0
    activity = np.divide(counts.traded, counts.spanned, out=np.zeros(len(starts)), where=is_spanned)
    is_open = ends * MINUTE_US > epoch_microseconds(as_of)
    table = pa.table(
        [
            *(_repeated(alerts[name], len(HORIZONS_H)) for name in ("alert_ts_utc", "alert_id", "chain", "mint")),
            pa.array(np.tile(np.array(HORIZONS_H, dtype=np.int32), len(stamps))),
            *(_int32(column) for column in (expected, counts.spanned, counts.present, counts.traded)),
            _instants(counts.first),
            _instants(counts.last),
            _int32(counts.silence),
            pa.array(span_ratio),
            pa.array(activity, mask=~is_spanned),
            pa.array(_verdicts(span_ratio, is_open).tolist(), pa.string()),
        ],
        schema=ALERT_FORWARD_COVERAGE.schema,
    )
    return table.sort_by([(name, "ascending") for name in ALERT_FORWARD_COVERAGE.sort_key])


def _count(
    tokens: Sequence[Token], codes: Integers, starts: Integers, ends: Integers, candles: Mapping[Token, pa.Table]
) -> _Counts:
    zeros = [np.zeros(len(codes), dtype=np.int64) for _ in range(4)]
    missing = [np.full(len(codes), NO_CANDLE) for _ in range(2)]
    counts = _Counts(zeros[0], zeros[1], zeros[2], missing[0], missing[1], zeros[3])
    by_token = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[by_token], np.arange(len(tokens) + 1))
    for code, token in enumerate(tokens):
        table = candles.get(token)
        if table is not None:
            queries = by_token[bounds[code] : bounds[code + 1]]
            _count_token(_series(token, table), starts, ends, queries, counts)
    return counts


def _count_token(series: _Series, starts: Integers, ends: Integers, queries: Integers, counts: _Counts) -> None:
    start, end = starts[queries], ends[queries]
    low, high = np.searchsorted(series.minutes, start), np.searchsorted(series.minutes, end)
    counts.spanned[queries] = _spanned_before(series, end) - _spanned_before(series, start)
    counts.present[queries] = high - low
    counts.traded[queries] = series.traded_before[high] - series.traded_before[low]
    has_candle = high > low
    counts.first[queries[has_candle]] = series.minutes[low[has_candle]]
    counts.last[queries[has_candle]] = series.minutes[high[has_candle] - 1]
    runs = SilentRuns.between(series.span_starts, series.span_ends, series.minutes)
    counts.silence[queries] = runs.longest_within(start, end)


def _series(token: Token, table: pa.Table) -> _Series:
    attributes = attributes_of(table)
    if attributes.get("resolution") != "1m":
        raise InvalidInputError(
            f"{token.partition_key}: coverage counts minutes and needs a 1m series, not {attributes.get('resolution')}"
        )
    span_starts, span_ends = _whole_minutes(decode_spans(attributes["source_spans"]))
    ordered = table.sort_by("ts")
    minutes = microseconds(ordered["ts"]) // MINUTE_US
    span = np.searchsorted(span_starts, minutes, side="right") - 1
    inside = span >= 0
    inside[inside] = minutes[inside] < span_ends[span[inside]]
    volume: Floats = floats(ordered["volume"])[inside]
    return _Series(span_starts, span_ends, minutes[inside], _running_total(volume > 0))


def _whole_minutes(spans: Sequence[SourceSpan]) -> tuple[Integers, Integers]:
    """Starts and ends, in minutes, of the whole minutes inside the spans."""
    merged = merge_spans(spans)
    starts = np.array([-(-epoch_microseconds(span.start) // MINUTE_US) for span in merged], dtype=np.int64)
    ends = np.array([epoch_microseconds(span.end) // MINUTE_US for span in merged], dtype=np.int64)
    holds_one = starts < ends
    return starts[holds_one], ends[holds_one]


def _spanned_before(series: _Series, minutes: Integers) -> Integers:
    """Spanned minutes before each of ``minutes``."""
    full = np.searchsorted(series.span_ends, minutes, side="right")
    lengths = _running_total(series.span_ends - series.span_starts)
    has_next = full < len(series.span_starts)
    into_next = np.zeros(len(minutes), dtype=np.int64)
    into_next[has_next] = np.maximum(0, minutes[has_next] - series.span_starts[full[has_next]])
    return lengths[full] + into_next


def _running_total(values: Integers | Mask) -> Integers:
    return np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)))


def _verdicts(span_ratio: Floats, is_open: Mask) -> npt.NDArray[np.str_]:
    return np.select(
        [is_open, span_ratio >= GOOD_SPAN_RATIO, span_ratio >= PARTIAL_SPAN_RATIO, span_ratio > 0],
        ["pending", "good", "partial", "poor"],
        default="none",
    )


def _int32(values: Integers) -> pa.Array[Any]:
    return pa.array(values.astype(np.int32))


def _instants(minutes: Integers) -> pa.Array[Any]:
    return pa.array(minutes * MINUTE_US, mask=minutes == NO_CANDLE).cast(UTC_TIMESTAMP)


def _repeated(column: pa.ChunkedArray[Any], times: int) -> pa.ChunkedArray[Any]:
    return column.take(pa.array(np.repeat(np.arange(len(column)), times), pa.int64()))
