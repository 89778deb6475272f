"""Coverage after alerts: worked numbers, and equality with counting minute by minute."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.source_spans import decode_spans
from quantlab_core.coverage.alert_windows import HORIZONS_H
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, FIRST_FORWARD_COVERAGE
from quantlab_core.coverage.forward_coverage import judged
from quantlab_core.coverage.measured_coverage import measure_coverage
from quantlab_core.coverage.thresholds import Thresholds
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import MINUTE, TOKEN, candle, minute, series
from quantlab_tests.core.coverage.alert_rows import OTHER, alerts

LATER = minute(10_000)


def forward_coverage(called: pa.Table, candles: Mapping[Token, pa.Table], *, as_of: datetime) -> pa.Table:
    return measure_coverage(called, candles, as_of=as_of).forward


def row_of(table: pa.Table, alert_id: str, horizon_h: int) -> dict[str, Any]:
    return next(row for row in table.to_pylist() if (row["alert_id"], row["horizon_h"]) == (alert_id, horizon_h))


def test_one_hour_worked_by_hand() -> None:
    """Call at 00:10:30, so the hour is the minutes 11 to 70; the source answered for [5, 61) and [66, 200).

    Spanned: 11..60 are 50 and 66..70 are 5, so 55 of 60. Candles at 11, 12, 40 and 67 (40 without volume, 63 lies in
    no span, 71 is after the hour): present 4, traded 3. Silences: 13..39 = 27, 41..60 = 20, 66 = 1, 68..70 = 3.
    """
    candles = [candle(number, volume=0.0 if number == 40 else 9.0) for number in (9, 11, 12, 40, 63, 67, 71)]
    table = forward_coverage(
        alerts(("a", minute(10) + timedelta(seconds=30))), {TOKEN: series(candles, [(5, 61), (66, 200)])}, as_of=LATER
    )
    assert table.schema.equals(ALERT_FORWARD_COVERAGE.schema)
    assert row_of(table, "a", 1) == {
        "alert_ts_utc": minute(10) + timedelta(seconds=30),
        "alert_id": "a",
        "chain": TOKEN.chain,
        "mint": TOKEN.address,
        "horizon_h": 1,
        "expected_minutes": 60,
        "spanned_minutes": 55,
        "present_minutes": 4,
        "traded_minutes": 3,
        "first_candle_ts": minute(11),
        "last_candle_ts": minute(67),
        "largest_silence_minutes": 27,
        "span_ratio": 55 / 60,
        "activity_ratio": 3 / 55,
        "verdict": "partial",
    }
    assert row_of(table, "a", 4)["spanned_minutes"] == 50 + 200 - 66
    assert row_of(table, "a", 48)["verdict"] == "poor"


def test_a_call_on_a_whole_minute_starts_with_the_next_one() -> None:
    table = forward_coverage(
        alerts(("a", minute(10)), ("b", minute(10) - timedelta(microseconds=1))),
        {TOKEN: series([candle(10), candle(11)], [(0, 100)])},
        as_of=LATER,
    )
    assert row_of(table, "a", 1)["first_candle_ts"] == minute(11)
    assert row_of(table, "b", 1)["first_candle_ts"] == minute(10)


def test_a_token_that_dies_after_the_call_is_well_covered() -> None:
    table = forward_coverage(alerts(("a", minute(0))), {TOKEN: series([], [(0, 48 * 60 + 1)])}, as_of=LATER)
    for horizon in HORIZONS_H:
        row = row_of(table, "a", horizon)
        assert (row["verdict"], row["span_ratio"], row["activity_ratio"]) == ("good", 1.0, 0.0)
        assert (row["present_minutes"], row["first_candle_ts"], row["last_candle_ts"]) == (0, None, None)
        assert row["largest_silence_minutes"] == horizon * 60


@pytest.mark.parametrize(
    ("spanned", "verdict"),
    [(60, "good"), (57, "good"), (56, "partial"), (48, "partial"), (47, "poor"), (1, "poor"), (0, "none")],
)
def test_the_verdict_follows_the_span_ratio(spanned: int, verdict: str) -> None:
    table = forward_coverage(alerts(("a", minute(0))), {TOKEN: series([], [(1, 1 + spanned)])}, as_of=LATER)
    assert row_of(table, "a", 1)["verdict"] == verdict


def test_a_horizon_is_pending_until_its_last_minute_is_over() -> None:
    call, candles = alerts(("a", minute(0))), {TOKEN: series([candle(1)], [(0, 61)])}
    before, after = (
        forward_coverage(call, candles, as_of=instant) for instant in (minute(61) - MINUTE / 60, minute(61))
    )
    assert row_of(before, "a", 1)["verdict"] == "pending"
    assert row_of(before, "a", 1)["spanned_minutes"] == 60
    assert row_of(after, "a", 1)["verdict"] == "good"
    assert row_of(after, "a", 4)["verdict"] == "pending"


def test_a_token_without_series_is_covered_by_nothing() -> None:
    row = row_of(forward_coverage(alerts(("a", minute(0))), {}, as_of=LATER), "a", 1)
    assert (row["verdict"], row["spanned_minutes"], row["activity_ratio"], row["largest_silence_minutes"]) == (
        "none",
        0,
        None,
        0,
    )


def test_only_whole_minutes_inside_a_span_count() -> None:
    spans = '[["2025-05-01T00:01:30Z","2025-05-01T00:03:30Z"]]'
    table = forward_coverage(alerts(("a", minute(0))), {TOKEN: series([], source_spans=spans)}, as_of=LATER)
    assert row_of(table, "a", 1)["spanned_minutes"] == 1


def test_unknown_volume_is_present_but_not_traded() -> None:
    row = row_of(
        forward_coverage(alerts(("a", minute(0))), {TOKEN: series([candle(1, volume=None)], [(0, 61)])}, as_of=LATER),
        "a",
        1,
    )
    assert (row["present_minutes"], row["traded_minutes"]) == (1, 0)


def test_rows_come_in_order_with_five_horizons_per_alert() -> None:
    table = forward_coverage(alerts(("b", minute(5)), ("c", minute(1)), ("a", minute(5))), {}, as_of=LATER)
    assert list(zip(table["alert_id"].to_pylist(), table["horizon_h"].to_pylist(), strict=True)) == [
        (alert_id, horizon) for alert_id in "cab" for horizon in HORIZONS_H
    ]
    assert forward_coverage(alerts(), {}, as_of=LATER).num_rows == 0


def test_thresholds_can_be_chosen_and_are_written_down() -> None:
    called, spanned = alerts(("a", minute(0))), {TOKEN: series([], [(1, 31)])}
    lenient = measure_coverage(called, spanned, as_of=LATER, thresholds=Thresholds(good=0.5, partial=0.25)).forward
    assert row_of(lenient, "a", 1)["verdict"] == "good"
    assert attributes_of(lenient) == {"good": "0.5", "partial": "0.25"}
    usual = measure_coverage(called, spanned, as_of=LATER).forward
    assert row_of(usual, "a", 1)["verdict"] == "poor"
    assert attributes_of(usual) == {"good": "0.95", "partial": "0.8"}
    assert judged(usual, Thresholds(good=0.5, partial=0.25)).equals(lenient, check_metadata=True)


@pytest.mark.parametrize(("good", "partial"), [(0.8, 0.9), (1.1, 0.8), (0.9, 0.0), (float("nan"), 0.8)])
def test_thresholds_that_judge_nothing_are_refused(good: float, partial: float) -> None:
    with pytest.raises(InvalidInputError, match="need 0 < partial <= good <= 1"):
        Thresholds(good, partial)


def test_coverage_of_version_1_is_read_as_judged_by_the_defaults() -> None:
    table = measure_coverage(alerts(("a", minute(0))), {}, as_of=LATER).forward
    assert FIRST_FORWARD_COVERAGE.upcast is not None
    read = FIRST_FORWARD_COVERAGE.upcast(table.replace_schema_metadata(None), "selection=current")
    assert read.equals(table, check_metadata=True)


def test_series_of_another_resolution_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="needs a 1m series, not 5m"):
        forward_coverage(alerts(("a", minute(0))), {TOKEN: series([], resolution="5m")}, as_of=LATER)


def minute_by_minute(stamp: datetime, horizon_h: int, table: pa.Table, as_of: datetime) -> dict[str, Any]:
    """The formulas, read aloud."""
    spans = decode_spans(attributes_of(table)["source_spans"])
    volume_at = {row["ts"]: row["volume"] for row in table.to_pylist()}
    start = stamp.replace(second=0, microsecond=0) + MINUTE
    expected = [start + number * MINUTE for number in range(horizon_h * 60)]
    spanned = [m for m in expected if any(span.start <= m and m + MINUTE <= span.end for span in spans)]
    present = [m for m in spanned if m in volume_at]
    silence = run = 0
    for m in expected:
        run = run + 1 if m in spanned and m not in volume_at else 0
        silence = max(silence, run)
    traded = [m for m in present if (volume_at[m] or 0) > 0]
    ratio = len(spanned) / len(expected)
    by_ratio = "good" if ratio >= 0.95 else "partial" if ratio >= 0.8 else "poor" if ratio > 0 else "none"
    return {
        "expected_minutes": len(expected),
        "spanned_minutes": len(spanned),
        "present_minutes": len(present),
        "traded_minutes": len(traded),
        "first_candle_ts": min(present, default=None),
        "last_candle_ts": max(present, default=None),
        "largest_silence_minutes": silence,
        "span_ratio": ratio,
        "activity_ratio": len(traded) / len(spanned) if spanned else None,
        "verdict": "pending" if start + timedelta(hours=horizon_h) > as_of else by_ratio,
    }


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)), max_size=5),
    st.sampled_from([0.0, 0.02, 0.3, 0.9]),
    st.integers(0, 700),
)
def test_coverage_is_what_counting_minute_by_minute_gives(
    seed: int, spans: list[tuple[int, int]], density: float, as_of_minute: int
) -> None:
    chance = random.Random(seed)
    held = [candle(m, volume=chance.choice([None, 0.0, 1.0])) for m in range(420) if chance.random() < density]
    tables = {TOKEN: series(held, spans), OTHER: series([candle(m, token=OTHER) for m in range(90)], [(0, 90)])}
    calls = [
        (f"call {number}", minute(0) + timedelta(seconds=chance.randrange(200 * 60)), chance.choice([TOKEN, OTHER]))
        for number in range(4)
    ]
    as_of = minute(as_of_minute)
    table = forward_coverage(alerts(*calls), tables, as_of=as_of)
    for alert_id, stamp, token in calls:
        for horizon in (1, 4):
            row = row_of(table, alert_id, horizon)
            naive = minute_by_minute(stamp, horizon, tables[token], as_of)
            assert {name: row[name] for name in naive} == naive
    for row in table.to_pylist():
        assert 0 <= row["traded_minutes"] <= row["present_minutes"] <= row["spanned_minutes"] <= row["expected_minutes"]
        assert row["largest_silence_minutes"] <= row["spanned_minutes"] - row["present_minutes"]
