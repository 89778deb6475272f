"""Coarser candles from finer ones: worked cases, and the laws that they keep."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.aggregation import aggregate_candles, aggregate_series, whole_bucket_spans
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.resolution import RESOLUTIONS, finer_than
from quantlab_core.candles.source_spans import SourceSpan, clip_spans, decode_spans
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import T0, candle, minute, series

Row = tuple[int, float, float, float, float, float | None]
MINUTES = 4 * 60


def table(rows: Sequence[Row]) -> pa.Table:
    """Candles of the test day: minute, open, high, low, close, volume."""
    named = ("open", "high", "low", "close", "volume")
    return pa.Table.from_pylist(
        [candle(ts, **dict(zip(named, values, strict=True))) for ts, *values in rows],  # type: ignore[arg-type]
        schema=CANDLE_SCHEMA,
    )


def span(start: int, end: int) -> SourceSpan:
    return SourceSpan(minute(start), minute(end))


def rows(candles: pa.Table) -> list[Row]:
    return [
        ((row["ts"] - T0) // timedelta(minutes=1), *(row[name] for name in ("open", "high", "low", "close", "volume")))
        for row in candles.to_pylist()
    ]


def aggregated(candles: Sequence[Row], resolution: str, *spans: SourceSpan) -> list[Row]:
    return rows(aggregate_candles(table(candles), resolution=resolution, spans=spans))


def test_a_bucket_takes_first_highest_lowest_last_and_the_sum() -> None:
    """Five minutes from 00:05: opens with 2, closes with 5, touches 9 and 1, trades 0.5 + 0.25 + 4 = 4.75."""
    worked = [
        (5, 2.0, 4.0, 1.5, 3.0, 0.5),
        (7, 3.0, 9.0, 3.0, 8.0, 0.25),
        (9, 8.0, 8.0, 1.0, 5.0, 4.0),
    ]
    assert aggregated(worked, "5m", span(5, 10)) == [(5, 2.0, 9.0, 1.0, 5.0, 4.75)]


def test_the_candle_at_the_end_of_a_bucket_belongs_to_the_next() -> None:
    worked = [(4, 1.0, 1.0, 1.0, 1.0, 1.0), (5, 2.0, 2.0, 2.0, 2.0, 2.0)]
    assert aggregated(worked, "5m", span(0, 10)) == [(0, 1.0, 1.0, 1.0, 1.0, 1.0), worked[1]]


def test_a_bucket_without_candles_stays_absent() -> None:
    worked = [(0, 1.0, 1.0, 1.0, 1.0, 1.0), (10, 2.0, 2.0, 2.0, 2.0, 2.0)]
    assert [row[0] for row in aggregated(worked, "5m", span(0, 20))] == [0, 10]
    assert aggregated([], "5m", span(0, 20)) == []


@pytest.mark.parametrize(
    ("spans", "opened"),
    [
        ([span(0, 15)], [0, 5, 10]),
        ([span(1, 15)], [5, 10]),
        ([span(0, 14)], [0, 5]),
        ([span(0, 7), span(7, 15)], [0, 5, 10]),
        ([span(0, 7), span(8, 15)], [0, 10]),
        ([span(3, 12), span(0, 4)], [0, 5]),
        ([span(1, 4)], []),
        ([], []),
    ],
)
def test_only_buckets_that_were_asked_for_as_a_whole_are_given(spans: list[SourceSpan], opened: list[int]) -> None:
    """Candles in every minute from 00:00 to 00:14; spans that touch are one, a hole of a minute spoils its bucket."""
    every_minute: list[Row] = [(number, 1.0, 1.0, 1.0, 1.0, 1.0) for number in range(15)]
    assert [row[0] for row in aggregated(every_minute, "5m", *spans)] == opened


def test_spans_that_end_within_a_minute_are_cut_to_whole_buckets() -> None:
    second = timedelta(seconds=1)
    found = whole_bucket_spans([SourceSpan(minute(0) + second, minute(15) - second), span(20, 26), span(31, 34)], "5m")
    assert found == (span(5, 10), span(20, 25))


def test_four_hours_and_days_begin_on_the_clock_of_utc() -> None:
    start = datetime(2025, 4, 30, 22, tzinfo=UTC)
    candles = pa.Table.from_pylist([candle(start + timedelta(hours=hour)) for hour in range(30)], schema=CANDLE_SCHEMA)
    asked = [SourceSpan(start, start + timedelta(hours=30))]
    four_hours = aggregate_candles(candles, resolution="4h", spans=asked)["ts"].to_pylist()
    assert four_hours == [datetime(2025, 5, 1, hour, tzinfo=UTC) for hour in (0, 4, 8, 12, 16, 20)] + [
        datetime(2025, 5, 2, tzinfo=UTC)
    ]
    assert aggregate_candles(candles, resolution="1d", spans=asked)["ts"].to_pylist() == [T0]


def test_times_before_1970_fall_into_their_buckets_too() -> None:
    old = datetime(1969, 12, 31, 23, 58, tzinfo=UTC)
    candles = pa.Table.from_pylist([candle(old)], schema=CANDLE_SCHEMA)
    found = aggregate_candles(candles, resolution="5m", spans=[SourceSpan(old - timedelta(hours=1), T0)])
    assert found["ts"].to_pylist() == [datetime(1969, 12, 31, 23, 55, tzinfo=UTC)]


def test_an_unknown_volume_makes_the_volume_of_its_bucket_unknown_and_no_other() -> None:
    worked = [(0, 1.0, 1.0, 1.0, 1.0, 3.0), (1, 1.0, 1.0, 1.0, 1.0, None), (5, 1.0, 1.0, 1.0, 1.0, 2.0)]
    assert [row[5] for row in aggregated(worked, "5m", span(0, 10))] == [None, 2.0]


def test_a_sum_is_the_float_nearest_to_the_true_one() -> None:
    """Ten times 0.1 is 1.0, which adding one by one misses; a large volume does not swallow the small ones."""
    tenths: list[Row] = [(number, 1.0, 1.0, 1.0, 1.0, 0.1) for number in range(10)]
    assert [row[5] for row in aggregated(tenths, "15m", span(0, 15))] == [1.0]
    swallowed: list[Row] = [(0, 1.0, 1.0, 1.0, 1.0, 1e16), *((n, 1.0, 1.0, 1.0, 1.0, 1.0) for n in range(1, 5))]
    assert [row[5] for row in aggregated(swallowed, "5m", span(0, 5))] == [1e16 + 4]


def test_a_series_keeps_its_attributes_with_resolution_and_spans_of_its_own() -> None:
    minutes = series([candle(number) for number in range(3, 12)], [(3, 12)], price_unit="sol", volume_unit="token")
    found = aggregate_series(minutes, "5m")
    assert [row[0] for row in rows(found)] == [5]
    attributes = attributes_of(found)
    assert decode_spans(attributes.pop("source_spans")) == (span(5, 10),)
    assert attributes == {"resolution": "5m", "source": "file", "price_unit": "sol", "volume_unit": "token"}
    assert found.schema.remove_metadata() == CANDLE_SCHEMA


@pytest.mark.parametrize(("own", "wanted"), [("5m", "1m"), ("5m", "5m"), ("1h", "15m")])
def test_a_series_cannot_be_made_finer(own: str, wanted: str) -> None:
    with pytest.raises(InvalidInputError, match=f"candles of {wanted} cannot be made of candles of {own}"):
        aggregate_series(series([candle(0)], [(0, 60)], resolution=own), wanted)


def test_what_is_no_series_or_no_resolution_is_refused() -> None:
    asked = [span(0, 60)]
    twice = table([(3, 1.0, 1.0, 1.0, 1.0, 1.0), (3, 2.0, 2.0, 2.0, 2.0, 2.0)])
    with pytest.raises(InvalidInputError, match="has two candles at 2025-05-01T00:03:00Z; merge them"):
        aggregate_candles(twice, resolution="5m", spans=asked)
    other = Token("base", "0x" + "ab" * 20)
    two = pa.Table.from_pylist([candle(0), candle(1, token=other)], schema=CANDLE_SCHEMA)
    with pytest.raises(InvalidInputError, match="are no series"):
        aggregate_candles(two, resolution="5m", spans=asked)
    with pytest.raises(InvalidInputError, match="'7m' is no resolution"):
        aggregate_candles(twice, resolution="7m", spans=asked)
    with pytest.raises(InvalidInputError, match="'7m' is no resolution"):
        aggregate_series(series([candle(0)]), "7m")
    huge = table([(0, 1.0, 1.0, 1.0, 1.0, 1e308), (1, 1.0, 1.0, 1.0, 1.0, 1e308)])
    with pytest.raises(
        InvalidInputError, match="between 2025-05-01T00:00:00Z and 2025-05-01T00:01:00Z add up to more than"
    ):
        aggregate_candles(huge, resolution="5m", spans=asked)


def test_which_resolutions_can_be_made_of_which() -> None:
    assert finer_than(RESOLUTIONS, "1h") == ["1m", "5m", "15m"]
    assert finer_than(["15m", "1s", "5m"], "1d") == ["5m", "15m"]
    assert finer_than(["1h"], "1h") == []


# Laws. Whole-number volumes make sums exact at every step, so that ways can be compared for equality.

PRICE = st.floats(min_value=1e-9, max_value=1e6)


@st.composite
def minute_series(draw: st.DrawFn, *, whole_volumes: bool = True) -> list[Row]:
    """Up to 60 candles, in some minutes of four hours."""
    minutes = draw(st.lists(st.integers(0, MINUTES - 1), unique=True, max_size=60))
    amount = st.integers(0, 10**6).map(float) if whole_volumes else st.floats(min_value=0, max_value=1e12)
    found: list[Row] = []
    for ts in sorted(minutes):
        low, first, last, high = sorted(draw(st.lists(PRICE, min_size=4, max_size=4)))
        volume = draw(st.one_of(amount, amount, st.none()))
        found.append((ts, first, high, low, last, volume))
    return found


@st.composite
def some_spans(draw: st.DrawFn) -> list[SourceSpan]:
    edges = draw(st.lists(st.tuples(st.integers(0, MINUTES), st.integers(0, MINUTES)), max_size=3))
    return [span(min(pair), max(pair)) for pair in edges]


LAWS = settings(max_examples=60, deadline=None, derandomize=True)


@LAWS
@given(minute_series(), some_spans())
def test_in_one_step_or_in_two_comes_out_the_same(candles: list[Row], spans: list[SourceSpan]) -> None:
    quarters = aggregate_candles(table(candles), resolution="15m", spans=spans)
    in_two = aggregate_candles(quarters, resolution="1h", spans=whole_bucket_spans(spans, "15m"))
    assert rows(in_two) == aggregated(candles, "1h", *spans)


@LAWS
@given(minute_series(whole_volumes=False), some_spans())
def test_nothing_is_lost_or_invented(candles: list[Row], spans: list[SourceSpan]) -> None:
    """Each bucket against its minutes by hand; every candle of a whole bucket is in one, and only buckets with any."""
    expected = []
    for start in range(0, MINUTES, 15):
        if not any(part == span(start, start + 15) for part in clip_spans(spans, minute(start), minute(start + 15))):
            continue
        inside = [row for row in candles if start <= row[0] < start + 15]
        if not inside:
            continue
        volumes = [row[5] for row in inside]
        total = None if None in volumes else math.fsum(volume for volume in volumes if volume is not None)
        high, low = max(row[2] for row in inside), min(row[3] for row in inside)
        expected.append((start, inside[0][1], high, low, inside[-1][4], total))
    assert aggregated(candles, "15m", *spans) == expected


@LAWS
@given(minute_series(), some_spans(), st.integers(0, MINUTES))
def test_what_comes_later_never_changes_a_closed_bucket(
    candles: list[Row], spans: list[SourceSpan], known: int
) -> None:
    """What is known at a time is a beginning of what is known in the end."""
    until = clip_spans(spans, T0, minute(known))
    early = aggregated([row for row in candles if row[0] < known], "15m", *until)
    late = aggregated(candles, "15m", *spans)
    assert early == late[: len(early)]


@LAWS
@given(minute_series(whole_volumes=False), some_spans(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_spans_does_not_matter(
    candles: list[Row], spans: list[SourceSpan], chance: random.Random
) -> None:
    expected = aggregate_candles(table(candles), resolution="15m", spans=spans)
    chance.shuffle(candles)
    chance.shuffle(spans)
    found = aggregate_candles(table(candles), resolution="15m", spans=spans)
    assert found.equals(expected)
    found.validate(full=True)
