"""What a merged series says of each of its candles: worked examples, and laws that hold for any slices."""

from __future__ import annotations

import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.candles.artifact_types import (
    CANDLE_SCHEMA,
    QUALITY_COLUMNS,
    TOKEN_CANDLES,
    TOKEN_CANDLES_OF_VERSION_1,
)
from quantlab_core.candles.source_spans import decode_spans
from quantlab_core.candles.token_series import merge_slices, token_series
from quantlab_tests.core.candles.candle_tables import candle, minute, series

QUALITY = [field.name for field in QUALITY_COLUMNS]


def quality(table: pa.Table) -> list[tuple[object, ...]]:
    """Minute, then the quality columns in their order."""
    rows = table.select(["ts", *QUALITY]).to_pylist()
    return [((row["ts"] - minute(0)).total_seconds() // 60, *(row[name] for name in QUALITY)) for row in rows]


def test_each_candle_says_who_held_it_who_lost_to_it_and_what_is_missing_before_it() -> None:
    """Asked for [0, 8) and [12, 20). Candles at 2, 5, 6, 14, 18.

    Before 2 the minutes 0 and 1 are silent. Between 5 and 2: 3 and 4. Between 6 and 14 lie 7 to 13: 7, 12 and 13 were
    asked for (3 silent), 8 to 11 were not (4 unasked). Between 14 and 18: 15, 16, 17. At 5 three slices hold three
    different candles, of which two lose; at 18 two hold the same one.
    """
    slices = [
        series([candle(2), candle(5, volume=1.0)], [(0, 8)]),
        series([candle(5, volume=9.0), candle(6, volume=0.0), candle(14), candle(18)], [(4, 8), (12, 20)]),
        series([candle(5, volume=2.0), candle(18)], [(13, 19)]),
    ]
    assert quality(token_series(slices)) == [
        (2, 1, 0, True, 2, None),
        (5, 3, 2, True, 2, 0),
        (6, 1, 0, False, 0, 0),
        (14, 1, 0, True, 3, 4),
        (18, 2, 0, True, 3, 0),
    ]


def test_volume_that_is_unknown_says_nothing_about_trading() -> None:
    assert quality(token_series([series([candle(0, volume=None)], [(0, 1)])])) == [(0, 1, 0, None, 0, None)]


def test_silence_is_counted_in_intervals_of_the_resolution_that_lie_wholly_inside_a_span() -> None:
    """Five-minute candles at 0 and 30, asked for [0, 13) and [20, 35): of 5, 10, 15, 20, 25 the ones at 5, 20, 25."""
    table = series([candle(0), candle(30)], [(0, 13), (20, 35)], resolution="5m")
    assert quality(token_series([table]))[1] == (30, 1, 0, True, 3, 2)


def test_a_series_of_an_unknown_resolution_counts_nothing() -> None:
    table = series([candle(0), candle(3)], [(0, 9)], resolution="unknown")
    assert [row[4:] for row in quality(token_series([table]))] == [(None, None), (None, None)]


def test_a_token_without_candles_has_an_empty_series_with_its_spans() -> None:
    merged = token_series([series([], [(0, 9)])])
    assert merged.num_rows == 0
    assert to_normal_form(merged, TOKEN_CANDLES).equals(merged, check_metadata=True)
    assert attributes_of(merged)["source_spans"] == '[["2025-05-01T00:00:00Z","2025-05-01T00:09:00Z"]]'


def test_a_series_of_version_1_is_read_with_what_its_candles_and_spans_tell() -> None:
    stored = series([candle(2), candle(5, volume=0.0)], [(0, 8)])
    key = f"token={candle(0)['token_address']}/res=1m"
    assert TOKEN_CANDLES_OF_VERSION_1.upcast is not None
    newest = TOKEN_CANDLES_OF_VERSION_1.upcast(stored, key)
    assert newest.schema.equals(TOKEN_CANDLES.schema)
    assert attributes_of(newest) == attributes_of(stored)
    assert quality(newest) == [(2, None, None, True, 2, None), (5, None, None, False, 2, 0)]


VOLUMES = st.sampled_from([None, 0.0, 1.0])
SLICES = st.lists(
    st.builds(
        series,
        st.lists(
            st.builds(candle, st.integers(0, 30), volume=VOLUMES, close=st.sampled_from([2.0, 3.0])),
            unique_by=lambda row: row["ts"],
            max_size=12,
        ),
        st.lists(st.tuples(st.integers(0, 31), st.integers(0, 31)), max_size=3),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@settings(deadline=None, max_examples=120, derandomize=True)
@given(SLICES, st.integers(0, 2**32))
def test_quality_counts_what_the_slices_hold_minute_by_minute(slices: list[pa.Table], seed: int) -> None:
    made = token_series(slices)
    assert token_series(random.Random(seed).sample(slices, len(slices))).equals(made, check_metadata=True)
    assert with_attributes(made.select(CANDLE_SCHEMA.names), attributes_of(made)).equals(
        merge_slices(slices), check_metadata=True
    )
    spans = decode_spans(attributes_of(made)["source_spans"])
    before: int | None = None
    for row in made.to_pylist():
        holders = [found for table in slices for found in table.to_pylist() if found["ts"] == row["ts"]]
        values = {tuple(found[name] for name in CANDLE_SCHEMA.names) for found in holders}
        assert (row["slices"], row["conflicts"]) == (len(holders), len(values) - 1)
        number = int((row["ts"] - minute(0)).total_seconds() // 60)
        missing = range(0 if before is None else before + 1, number)
        asked = [m for m in missing if any(span.start <= minute(m) < span.end for span in spans)]
        assert row["silent_before"] == len(asked)
        assert row["unasked_before"] == (None if before is None else len(missing) - len(asked))
        before = number


@settings(deadline=None, max_examples=60, derandomize=True)
@given(SLICES)
def test_every_candle_of_every_slice_is_kept_lost_or_the_same(slices: list[pa.Table]) -> None:
    made = token_series(slices)
    rows = sum(table.num_rows for table in slices)
    assert rows == sum(row["slices"] for row in made.to_pylist())
    different = {tuple(row[name] for name in CANDLE_SCHEMA.names) for table in slices for row in table.to_pylist()}
    assert len(different) == made.num_rows + sum(row["conflicts"] for row in made.to_pylist())
