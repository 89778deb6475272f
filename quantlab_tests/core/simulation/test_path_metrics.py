"""Path metrics (rule C9): worked by hand, and against the shared patterns where those lie beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.path_metrics import path_metrics
from quantlab_tests.core.simulation.drawn_candles import draw

PATTERNS = Path(__file__).resolve().parents[4] / "shared" / "cases" / "path_metrics_patterns.json"


def test_each_metric_of_a_path_that_can_be_worked_by_hand() -> None:
    window = draw((0, 10, 12, 9, 11), (1, 11, 16, 8, 15), (4, 15, 22, 14, 20), (5, 20, 21, 5, 6))
    metrics = path_metrics(window, 10.0)
    assert metrics.ath_multiple == pytest.approx(2.2)
    assert metrics.time_to_multiple_s == {2: 240.0}
    assert metrics.dd_before_multiple == {2: pytest.approx(8 / 10 - 1)}
    assert metrics.mfe == pytest.approx(1.2)
    assert metrics.mae == pytest.approx(-0.5)
    # low / highest before: 9/10, 8/12, 14/16, 5/22; the last is the deepest
    assert metrics.max_drawdown == pytest.approx(5 / 22 - 1)
    assert metrics.ret_end == pytest.approx(-0.4)


def test_the_touch_candles_own_low_counts_before_the_touch() -> None:
    metrics = path_metrics(draw((0, 10, 11, 9, 10), (1, 10, 20, 4, 19), (2, 19, 19, 1, 2)), 10.0)
    assert metrics.dd_before_multiple == {2: pytest.approx(-0.6)}


def test_a_high_that_touches_a_multiple_exactly_reaches_it() -> None:
    assert path_metrics(draw((0, 10, 30, 10, 10)), 10.0).time_to_multiple_s == {2: 0.0, 3: 0.0}


def test_an_entry_inside_its_candle_does_not_see_that_candles_high() -> None:
    window = draw((0, 15, 40, 8, 12), (1, 12, 13, 11, 12))
    metrics = path_metrics(window, 10.0, is_intrabar_entry=True)
    assert metrics.ath_multiple == pytest.approx(1.3)
    assert metrics.time_to_multiple_s == {}
    assert metrics.mae == pytest.approx(-0.2)


def test_the_metrics_agree_with_the_shared_patterns() -> None:
    if not PATTERNS.exists():
        pytest.skip("the shared path patterns are not beside this repository")
    patterns: list[dict[str, Any]] = json.loads(PATTERNS.read_text())["patterns"]
    for pattern in patterns:
        expected = pattern["derived_metrics"]
        rows = [(1_000 * c["timestamp"], c["open"], c["high"], c["low"], c["close"]) for c in pattern["candles"]]
        metrics = path_metrics(CandleSeries.from_rows(rows), expected["entry_price"])
        assert metrics.ath_multiple == pytest.approx(expected["ath_mult"], abs=1e-12), pattern["name"]
        assert metrics.ret_end == pytest.approx(expected["ret_end"], abs=1e-12)
        assert metrics.mae == pytest.approx(expected["dd_overall"], abs=1e-12)
        assert metrics.dd_before_multiple.get(2) == pytest.approx(expected["dd_pre2x"], abs=1e-12)
        for multiple in (2, 3, 5, 10):
            assert metrics.time_to_multiple_s.get(multiple) == expected[f"time_to_{multiple}x_s"]
