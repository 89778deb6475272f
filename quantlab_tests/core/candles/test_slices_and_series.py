"""Slices of cohort days, and the series that they merge into."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.logical_key import format_key, parse_key
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, OHLCV_SLICE
from quantlab_core.candles.candle_source import SourcedCandles
from quantlab_core.candles.duplicate_candles import merge_candles
from quantlab_core.candles.slices import cohort_window, slice_day, slice_key_parts, slice_table
from quantlab_core.candles.source_spans import (
    SourceSpan,
    clip_spans,
    decode_spans,
    encode_spans,
    merge_spans,
    span_end_at,
)
from quantlab_core.candles.token_series import merge_slices
from quantlab_core.errors import InvalidInputError, LogicalKeyError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import TOKEN, candle, minute, series

BASE_TOKEN = Token("base", "0x4200000000000000000000000000000000000001")
DAY = date(2025, 5, 1)


def test_a_cohort_window_holds_the_hours_before_and_after_every_call_of_the_day() -> None:
    start, end = cohort_window(DAY)
    assert (start, end) == (datetime(2025, 4, 30, 20, tzinfo=UTC), datetime(2025, 5, 4, tzinfo=UTC))
    last_call = datetime(2025, 5, 1, 23, 59, 59, tzinfo=UTC)
    assert last_call + timedelta(hours=48) <= end


@pytest.mark.parametrize(
    ("token", "key"),
    [
        (TOKEN, f"token={TOKEN.address}/res=1m/from=2025-04-30T20:00:00Z/to=2025-05-04T00:00:00Z"),
        (BASE_TOKEN, f"token={BASE_TOKEN.address}/chain=base/res=1m/from=2025-04-30T20:00:00Z/to=2025-05-04T00:00:00Z"),
    ],
)
def test_a_slice_key_names_token_resolution_and_window_and_gives_the_day_back(token: Token, key: str) -> None:
    parts = slice_key_parts(token, "1m", *cohort_window(DAY))
    assert format_key(OHLCV_SLICE, parts) == key
    assert slice_day(parse_key(OHLCV_SLICE, key)) == DAY


@pytest.mark.parametrize(
    "parts", [{}, {"from": "2025-04-30T20:00:00Z", "to": "2025-05-01T00:00:00Z"}, {"from": "x", "to": "y"}]
)
def test_a_slice_that_is_not_of_a_day_has_none(parts: dict[str, str]) -> None:
    with pytest.raises(LogicalKeyError):
        slice_day(parts)


def sourced(rows: list[dict[str, Any]], spans: tuple[SourceSpan, ...] = ()) -> SourcedCandles:
    return SourcedCandles(pa.Table.from_pylist(rows, schema=CANDLE_SCHEMA), spans, "file", "sol", "token")


def test_a_slice_carries_what_its_source_said() -> None:
    table = slice_table(TOKEN, "1m", sourced([candle(2), candle(1)], (SourceSpan(minute(0), minute(9)),)))
    assert table["ts"].to_pylist() == [minute(1), minute(2)]
    assert attributes_of(table) == {
        "resolution": "1m",
        "source": "file",
        "source_spans": '[["2025-05-01T00:00:00Z","2025-05-01T00:09:00Z"]]',
        "price_unit": "sol",
        "volume_unit": "token",
    }


def test_a_slice_names_its_candles_as_the_call_named_the_token() -> None:
    called = Token("evm_unknown", BASE_TOKEN.address)
    table = slice_table(called, "1m", sourced([candle(1, token=BASE_TOKEN)]))
    assert table["chain"].to_pylist() == ["evm_unknown"]
    assert table.schema.equals(CANDLE_SCHEMA)


def test_overlapping_slices_merge_into_one_series() -> None:
    merged = merge_slices([series([candle(2), candle(3)], [(0, 4)]), series([candle(1), candle(2)], [(4, 6), (8, 9)])])
    assert merged["ts"].to_pylist() == [minute(1), minute(2), minute(3)]
    assert decode_spans(attributes_of(merged)["source_spans"]) == (
        SourceSpan(minute(0), minute(6)),
        SourceSpan(minute(8), minute(9)),
    )


def test_a_minute_with_other_values_in_two_slices_keeps_the_larger_volume() -> None:
    slices = [series([candle(1, volume=5.0)]), series([candle(1, volume=7.0, close=2.0), candle(2)])]
    assert merge_slices(slices).to_pylist() == [candle(1, volume=7.0, close=2.0), candle(2)]
    assert merge_candles(slices)[1] == 1
    assert merge_candles([slices[0], slices[0]])[1] == 0


def test_units_must_agree_between_slices_that_hold_something() -> None:
    with pytest.raises(InvalidInputError, match=r"price unit sol and usd.*import"):
        merge_slices([series([candle(1)]), series([candle(2)], price_unit="sol")])
    with pytest.raises(InvalidInputError, match="resolution 1m and 5m"):
        merge_slices([series([candle(1)]), series([candle(5)], resolution="5m")])
    nothing = series([], price_unit="unknown", volume_unit="unknown")
    assert attributes_of(merge_slices([nothing, series([], [(0, 5)])]))["price_unit"] == "usd"
    assert attributes_of(merge_slices([nothing]))["volume_unit"] == "unknown"


def test_sources_are_named_together() -> None:
    merged = merge_slices([series([candle(1)]), series([candle(2)], source="clickhouse")])
    assert attributes_of(merged)["source"] == "clickhouse+file"
    assert attributes_of(merge_slices([merged, series([candle(3)])]))["source"] == "clickhouse+file"


def test_tokens_are_not_merged_into_each_other() -> None:
    with pytest.raises(InvalidInputError, match="cannot be merged into one series"):
        merge_slices([series([candle(1)]), series([candle(2, token=BASE_TOKEN)])])
    with pytest.raises(InvalidInputError, match="at least one slice"):
        merge_slices([])


SLICES = st.lists(
    st.builds(
        series,
        st.lists(
            st.builds(candle, st.integers(0, 6), volume=st.sampled_from([None, 0, 1]), close=st.sampled_from([2, 3])),
            unique_by=lambda row: row["ts"],
            max_size=6,
        ),
        st.lists(st.tuples(st.integers(0, 10), st.integers(0, 10)), max_size=3),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@settings(deadline=None, max_examples=100, derandomize=True)
@given(SLICES, st.integers(0, 2**32))
def test_merging_does_not_depend_on_order_grouping_or_repetition(slices: list[pa.Table], seed: int) -> None:
    merged = merge_slices(slices)
    shuffled = random.Random(seed).sample(slices, len(slices))
    assert merge_slices(shuffled).equals(merged, check_metadata=True)
    assert merge_slices([merged, *slices]).equals(merged, check_metadata=True)
    assert merge_slices([merge_slices(slices[:1]), *slices[1:]]).equals(merged, check_metadata=True)
    assert merged["ts"].to_pylist() == sorted({ts for table in slices for ts in table["ts"].to_pylist()})


SPANS = st.lists(
    st.builds(lambda a, b: SourceSpan(minute(a), minute(b)), st.integers(0, 30), st.integers(0, 30)), max_size=6
)


def minutes_of(spans: Any) -> set[int]:
    return {number for number in range(31) for span in spans if span.start <= minute(number) < span.end}


@settings(deadline=None, max_examples=150, derandomize=True)
@given(SPANS, SPANS, st.integers(0, 30), st.integers(0, 30))
def test_spans_are_sets_of_minutes(one: list[SourceSpan], other: list[SourceSpan], start: int, end: int) -> None:
    union = merge_spans([*one, *other])
    assert minutes_of(union) == minutes_of(one) | minutes_of(other)
    assert merge_spans([*other, *one]) == union == merge_spans(union)
    assert all(left.end < right.start for left, right in pairwise(union))
    assert minutes_of(clip_spans(union, minute(start), minute(end))) == minutes_of(union) & set(range(start, end))
    assert decode_spans(encode_spans(union)) == union
    assert (span_end_at(union, minute(start)) is not None) == (start in minutes_of(union))
