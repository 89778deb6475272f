"""The heat map of coverage as a picture and in a report: the same bytes each time, readable at any length."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pyarrow as pa
import pytest

from quantlab_core.coverage.measured_coverage import AlertCoverage, measure_coverage
from quantlab_core.coverage.thresholds import Thresholds
from quantlab_resources.reports.coverage_heatmap import coverage_heatmap_png, coverage_heatmap_svg
from quantlab_resources.reports.coverage_view import coverage_view
from quantlab_resources.reports.number_text import share
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, minute, series
from quantlab_tests.core.coverage.alert_rows import alerts

DAY = timedelta(days=1)


def summary(days: int, *, spanned_minutes: int = 2_881) -> pa.Table:
    """One call a day; of the first day's the source was asked for so many minutes from midnight on, of others none."""
    calls = alerts(*((str(day), T0 + day * DAY) for day in range(days)))
    return measure_coverage(calls, {TOKEN: series([], [(0, spanned_minutes)])}, as_of=T0 + 1_000 * DAY).summary


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_nothing_is_drawn_without_alerts() -> None:
    empty = summary(0)
    assert (coverage_heatmap_png(empty), coverage_heatmap_svg(empty)) == (b"", "")


@pytest.mark.parametrize("days", [1, 14, 60, 300, 800])
def test_a_picture_of_any_length_is_the_same_each_time(days: int) -> None:
    table = summary(days)
    picture = coverage_heatmap_png(table)
    assert picture.startswith(b"\x89PNG")
    assert coverage_heatmap_png(table) == picture
    assert coverage_heatmap_svg(table) == coverage_heatmap_svg(table)


def test_few_columns_carry_their_shares_and_many_do_not() -> None:
    few, many = (texts(coverage_heatmap_svg(summary(days))) for days in (2, 60))
    # Day 1: all five horizons are good. Day 2: its first 24 hours are, its 48 hours lack the second half.
    assert few.count("100%") == 5 + 4 + 1
    assert few.count("0%") == 1 + 1
    assert many.count("100%") == 1
    assert {"1 h", "48 h", "2025-05-01", "UTC day", "alerts with ≥ 95% spanned"} <= set(few)


def test_the_drawing_of_a_page_takes_its_colours_and_loads_nothing() -> None:
    for is_narrow in (False, True):
        svg = coverage_heatmap_svg(summary(3), is_narrow=is_narrow)
        assert svg.startswith("<svg")
        assert "var(--muted)" in svg
        assert "#01020" not in svg
        assert not re.search(r'href="(?!#|data:)', svg)


def test_cells_that_are_not_over_are_hatched_and_not_shaded() -> None:
    from matplotlib.image import imread

    over = measure_coverage(alerts(("a", minute(0))), {}, as_of=T0 + 9 * DAY).summary
    running = measure_coverage(alerts(("a", minute(0))), {}, as_of=minute(1)).summary
    reds = []
    for table in (over, running):
        pixels = imread(BytesIO(coverage_heatmap_png(table)))
        cells = pixels[110:280, 60:700]
        reds.append(((cells[..., 0] > 0.6) & (cells[..., 1] < 0.3)).mean())
    assert reds[0] > 0.8
    assert reds[1] == 0


def test_the_section_of_a_report_has_a_row_per_horizon_and_says_how_it_was_judged() -> None:
    calls = alerts(("a", minute(0)), ("b", minute(4_000)))
    spans = {TOKEN: series([], [(0, 31), (4_000, 4_100)])}
    measured = measure_coverage(calls, spans, as_of=minute(4_200), thresholds=Thresholds(0.5, 0.25))
    view = coverage_view(AlertCoverage(measured.forward, "2025-05-03T22:00:00.000Z"))
    assert (view.good, view.partial, view.as_of) == ("50%", "25%", "2025-05-03 22:00 UTC")
    hour, four_hours, *_ = view.rows
    assert (hour.horizon, hour.alerts, hour.good, hour.pending, hour.good_share) == ("1 h", "2", "2", "0", "100%")
    assert (four_hours.poor, four_hours.pending, four_hours.good_share) == ("1", "1", "0%")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0%"), (0.001, "<1%"), (0.005, "<1%"), (0.994, "99%"), (0.995, ">99%"), (1.0, "100%")],
)  # fmt: skip
def test_only_all_is_all_and_only_nothing_is_nothing(value: float | None, text: str) -> None:
    assert share(value) == text
