"""Gaps in the source span: a worked example, their kinds, and the laws that nothing is lost or counted twice."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.source_spans import decode_spans
from quantlab_core.coverage.artifact_types import COVERAGE_GAPS
from quantlab_core.coverage.measured_coverage import measure_coverage
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import MINUTE, TOKEN, candle, minute, series
from quantlab_tests.core.coverage.alert_rows import OTHER, alerts

HOURS_48 = 2_880
LATER = minute(100_000)


def gaps(called: pa.Table, candles: dict[Token, pa.Table], as_of: datetime = LATER) -> list[dict[str, Any]]:
    table = measure_coverage(called, candles, as_of=as_of).gaps
    assert table.schema.equals(COVERAGE_GAPS.schema)
    return table.to_pylist()


def test_two_calls_and_two_spans_worked_by_hand() -> None:
    """Calls at minutes 0 and 1,000 need the minutes 1 to 3,880: one window. The source answered for [11, 2000) and
    [2100, 3001). Missing are 1..10 (the start, only the first call needs it), 2000..2099 (both do) and 3001..3880 (only
    the second: the first needs up to 2880).
    """
    found = gaps(
        alerts(("a", minute(0)), ("b", minute(1_000))), {TOKEN: series([candle(40)], [(11, 2_000), (2_100, 3_001)])}
    )
    window = {"window_from_ts": minute(1), "window_to_ts": minute(3_881)}
    of_token = {"chain": TOKEN.chain, "token_address": TOKEN.address, "resolution": "1m"} | window
    assert found == [of_token | gap for gap in (
        {"from_ts": minute(1), "to_ts": minute(11), "missing_minutes": 10, "kind": "start", "alerts": 1},
        {"from_ts": minute(2_000), "to_ts": minute(2_100), "missing_minutes": 100, "kind": "inside", "alerts": 2},
        {"from_ts": minute(3_001), "to_ts": minute(3_881), "missing_minutes": 880, "kind": "end", "alerts": 1},
    )]  # fmt: skip


def test_silence_is_no_gap() -> None:
    assert gaps(alerts(("a", minute(0))), {TOKEN: series([], [(0, HOURS_48 + 1)])}) == []


def test_a_token_without_a_series_is_one_gap_from_the_start() -> None:
    (gap,) = gaps(alerts(("a", minute(0))), {})
    assert (gap["kind"], gap["missing_minutes"], gap["to_ts"]) == ("start", HOURS_48, gap["window_to_ts"])


def test_calls_far_apart_have_windows_of_their_own() -> None:
    found = gaps(alerts(("a", minute(0)), ("b", minute(10_000))), {TOKEN: series([], [(5, 10_003)])})
    assert [(gap["kind"], gap["missing_minutes"]) for gap in found] == [("start", 4), ("end", HOURS_48 - 2)]


def test_a_gap_that_begins_where_the_hours_of_an_alert_end_is_none_of_its() -> None:
    calls = alerts(("a", minute(0)), ("b", minute(1_000)))
    ends_before, reaches_in = (gaps(calls, {TOKEN: series([], [(0, end)])}) for end in (HOURS_48 + 1, HOURS_48))
    assert ([gap["alerts"] for gap in ends_before], [gap["alerts"] for gap in reaches_in]) == ([1], [2])


def test_what_is_not_over_is_not_missing() -> None:
    called = alerts(("a", minute(0)))
    assert gaps(called, {}, as_of=minute(0)) == []
    (gap,) = gaps(called, {TOKEN: series([], [(0, 31)])}, as_of=minute(40) + MINUTE / 2)
    assert (gap["kind"], gap["from_ts"], gap["to_ts"]) == ("end", minute(31), minute(40))


def test_the_gaps_say_when_the_sets_were_frozen() -> None:
    table = measure_coverage(alerts(), {}, as_of=minute(7)).gaps
    assert (table.num_rows, attributes_of(table)) == (0, {"as_of": "2025-05-01T00:07:00.000Z"})


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 6_000), st.integers(1, 1_500)), max_size=6),
    st.integers(0, 9_000),
)
def test_gaps_and_spans_make_up_what_is_needed_once(seed: int, spans: list[tuple[int, int]], as_of: int) -> None:
    """Expected = spanned + missing over the union of a token's windows, minute by minute."""
    chance = random.Random(seed)
    tables = {TOKEN: series([], [(start, start + length) for start, length in spans])}
    calls = [
        (f"call {number}", minute(0) + timedelta(seconds=chance.randrange(6_000 * 60)), chance.choice([TOKEN, OTHER]))
        for number in range(4)
    ]
    measured = measure_coverage(alerts(*calls), tables, as_of=minute(as_of))
    rows = measured.gaps.to_pylist()
    for token in (TOKEN, OTHER):
        windows = {
            alert_id: needed_minutes(stamp, minute(as_of)) for alert_id, stamp, called in calls if called == token
        }
        needed = set().union(*windows.values())
        spanned = {
            m for m in needed if token in tables and any(s <= m and m + MINUTE <= e for s, e in spans_of(tables))
        }
        of_token = [row for row in rows if row["token_address"] == token.address]
        missing = [minutes_of(row) for row in of_token]
        assert needed - spanned == set().union(*missing)
        assert sum(map(len, missing)) == len(needed - spanned) == sum(row["missing_minutes"] for row in of_token)
        for row, minutes in zip(of_token, missing, strict=True):
            assert row["alerts"] == sum(bool(window & minutes) for window in windows.values()) > 0
            at_start = row["from_ts"] - MINUTE not in needed
            at_end = row["to_ts"] not in needed
            assert row["kind"] == ("start" if at_start else "end" if at_end else "inside")
            assert row["window_from_ts"] <= row["from_ts"] < row["to_ts"] <= row["window_to_ts"]


def needed_minutes(stamp: datetime, as_of: datetime) -> set[datetime]:
    first = stamp.replace(second=0, microsecond=0) + MINUTE
    return {first + n * MINUTE for n in range(HOURS_48) if first + (n + 1) * MINUTE <= as_of}


def minutes_of(row: dict[str, Any]) -> set[datetime]:
    return {row["from_ts"] + n * MINUTE for n in range((row["to_ts"] - row["from_ts"]) // MINUTE)}


def spans_of(tables: dict[Token, pa.Table]) -> list[tuple[datetime, datetime]]:
    return [(span.start, span.end) for span in decode_spans(attributes_of(tables[TOKEN])["source_spans"])]
