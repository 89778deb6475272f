"""Coverage of many alerts in few numbers, and the heat map that is drawn of them."""

from __future__ import annotations

import statistics
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.coverage.alert_windows import HORIZONS_H
from quantlab_core.coverage.artifact_types import COVERAGE_SUMMARY
from quantlab_core.coverage.heat_map import Cell, heat_map
from quantlab_core.coverage.measured_coverage import MeasuredCoverage, measure_coverage
from quantlab_core.coverage.thresholds import Thresholds
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, candle, minute, series
from quantlab_tests.core.coverage.alert_rows import OTHER, alerts

LATER = minute(100_000)
DAY = timedelta(days=1)


def test_a_day_worked_by_hand() -> None:
    """Three calls of one day, an hour each. The source answered for [0, 90); the call at 0 is all spanned, that at 33
    has 56 of 60 (34..89), that at 60 has 29. Candles with volume at every minute up to 9 and no later: of the spanned
    minutes 9, 0 and 0 are traded; the largest silences are 51, 56 and 29.
    """
    called = alerts(("a", minute(0)), ("b", minute(33)), ("c", minute(60)))
    rows = {TOKEN: series([candle(m) for m in range(10)], [(0, 90)])}
    found = measure_coverage(called, rows, as_of=LATER).summary
    assert found.schema.equals(COVERAGE_SUMMARY.schema)
    assert attributes_of(found) == {"good": "0.95", "partial": "0.8", "as_of": "2025-07-09T10:40:00.000Z"}
    (hour,) = [row for row in found.to_pylist() if row["horizon_h"] == 1]
    assert hour == {
        "day": date(2025, 5, 1), "chain": "solana", "horizon_h": 1, "alerts": 3,
        "good": 1, "partial": 1, "poor": 1, "none": 0, "pending": 0,
        "good_share": 1 / 3, "partial_share": 1 / 3, "poor_share": 1 / 3, "none_share": 0.0,
        "median_span_ratio": 56 / 60, "median_activity_ratio": 0.0, "median_largest_silence_minutes": 51.0,
    }  # fmt: skip


def test_alerts_of_today_are_pending_and_in_no_share() -> None:
    found = measure_coverage(alerts(("a", minute(0)), ("b", minute(200))), {}, as_of=minute(100)).summary.to_pylist()
    hour, four_hours = found[:2]
    assert (hour["alerts"], hour["pending"], hour["none"], hour["none_share"]) == (2, 1, 1, 1.0)
    assert (four_hours["alerts"], four_hours["pending"], four_hours["good_share"]) == (2, 2, None)
    assert (four_hours["median_span_ratio"], hour["median_activity_ratio"]) == (None, None)


def test_no_alerts_give_no_rows() -> None:
    measured = measure_coverage(alerts(), {}, as_of=LATER)
    assert (measured.forward.num_rows, measured.gaps.num_rows, measured.summary.num_rows) == (0, 0, 0)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 9_000), st.booleans()), max_size=25),
    st.lists(st.tuples(st.integers(0, 9_000), st.integers(1, 2_000)), max_size=4),
    st.integers(0, 14_000),
)
def test_the_summary_counts_every_row_once(
    calls: list[tuple[int, bool]], spans: list[tuple[int, int]], as_of: int
) -> None:
    called = alerts(*((f"{n}", minute(at), TOKEN if own else OTHER) for n, (at, own) in enumerate(calls)))
    candles = {TOKEN: series([candle(m) for m in range(0, 9_000, 7)], [(a, a + length) for a, length in spans])}
    measured = measure_coverage(called, candles, as_of=minute(as_of), thresholds=Thresholds(0.7, 0.2))
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in measured.forward.to_pylist():
        groups.setdefault((row["alert_ts_utc"].date(), row["chain"], row["horizon_h"]), []).append(row)
    summary = measured.summary.to_pylist()
    assert [(row["day"], row["chain"], row["horizon_h"]) for row in summary] == sorted(groups)
    for row in summary:
        rows = groups[row["day"], row["chain"], row["horizon_h"]]
        verdicts = Counter(one["verdict"] for one in rows)
        judged = [one for one in rows if one["verdict"] != "pending"]
        spanned = [one for one in judged if one["activity_ratio"] is not None]
        assert row["alerts"] == len(rows)
        for verdict in ("good", "partial", "poor", "none", "pending"):
            assert row[verdict] == verdicts[verdict]
            if verdict != "pending":
                assert row[f"{verdict}_share"] == (verdicts[verdict] / len(judged) if judged else None)
        assert row["median_span_ratio"] == median(judged, "span_ratio")
        assert row["median_activity_ratio"] == median(spanned, "activity_ratio")
        assert row["median_largest_silence_minutes"] == median(spanned, "largest_silence_minutes")


def median(rows: list[dict[str, Any]], name: str) -> float | None:
    return statistics.median(row[name] for row in rows) if rows else None


def spread(*days: int) -> MeasuredCoverage:
    """One call on each of these days since the test day."""
    calls = ((str(number), T0 + day * DAY) for number, day in enumerate(days))
    return measure_coverage(alerts(*calls), {}, as_of=T0 + 1_000 * DAY)


def test_the_map_has_a_cell_per_day_and_horizon_over_all_chains() -> None:
    called = alerts(("a", minute(0)), ("b", minute(0), OTHER), ("c", minute(1_440 * 2)))
    drawn = heat_map(measure_coverage(called, {TOKEN: series([], [(0, 300)])}, as_of=minute(1_440 * 2 + 90)).summary)
    assert drawn.unit == "day"
    assert [stretch.first for stretch in drawn.stretches] == [date(2025, 5, day) for day in (1, 2, 3)]
    first, without_alerts, last = drawn.stretches
    assert first.cells == (Cell(2, 2, 1), Cell(2, 2, 1), Cell(2, 2, 0), Cell(2, 2, 0), Cell(2, 2, 0))
    assert first.cells[0].share == 0.5
    assert without_alerts.cells == (Cell(),) * len(HORIZONS_H)
    assert last.cells[:2] == (Cell(1, 1, 0), Cell(1, 0, 0))
    assert (last.cells[1].share, last.alerts) == (None, 1)


@pytest.mark.parametrize(
    ("last", "unit", "stretches", "first"),
    [(0, "day", 1, date(2025, 5, 1)), (61, "day", 62, date(2025, 5, 1)), (62, "week", 10, date(2025, 4, 28)),
     (426, "week", 62, date(2025, 4, 28)), (427, "month", 15, date(2025, 5, 1))],
)  # fmt: skip
def test_long_ranges_are_told_apart_by_week_or_month(last: int, unit: str, stretches: int, first: date) -> None:
    drawn = heat_map(spread(0, last).summary)
    assert (drawn.unit, len(drawn.stretches), drawn.stretches[0].first) == (unit, stretches, first)
    assert sum(stretch.alerts for stretch in drawn.stretches) == 2


def test_the_map_of_nothing_is_empty() -> None:
    assert heat_map(spread().summary).stretches == ()


def test_the_sum_of_counts_does_not_depend_on_the_order_of_alerts() -> None:
    calls = [("a", minute(0)), ("b", minute(50), OTHER), ("c", minute(3_000))]
    tables = [measure_coverage(alerts(*order), {}, as_of=LATER).summary for order in (calls, calls[::-1])]
    assert tables[0].equals(tables[1], check_metadata=True)


def test_a_day_without_verdicts_is_an_arrow_date() -> None:
    assert measure_coverage(alerts(("a", minute(0))), {}, as_of=LATER).summary.schema.field("day").type == pa.date32()
