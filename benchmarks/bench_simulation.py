"""The reference engine: alerts per second on one core, each with a window of 24 hours of one-minute candles."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import FIRST_CANDLE_MS, MINUTE_MS, Size, price_walk
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.strategy import Strategy, parse_strategy

SERIES_ROWS = 76 * 60
"""One slice as it is by default: 4 hours before the day of the call until 72 hours after its begin."""

ALERT_MS = FIRST_CANDLE_MS + 12 * 3_600_000

STRATEGIES: dict[str, dict[str, Any]] = {
    "held to the deadline": {"max_hold_min": 1_440, "stop_loss": 0.9999, "trailing_stop": 0.9999},
    "stop, trailing stop, two targets": {
        "max_hold_min": 1_440,
        "stop_loss": 0.3,
        "trailing_stop": 0.35,
        "trailing_activation": 0.5,
        "take_profit": [[1.0, 0.5], [3.0, 0.25]],
        "fee": 0.01,
        "slippage": 0.005,
    },
}


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Alerts per second, beside a bare loop over just the candles that the engine looked at."""
    many = [_series(number) for number in range(size.alerts)]
    for name, mapping in STRATEGIES.items():
        yield _figure(name, parse_strategy(mapping), many, size.rounds)


def _figure(name: str, strategy: Strategy, many: Sequence[CandleSeries], rounds: int) -> Figure:
    windows = [_lived_through(series, strategy) for series in many]
    candles = statistics.mean(map(len, windows))
    measured = interleaved(
        {
            f"alerts, {name} ({candles:,.0f} candles each)": lambda: [
                simulate(series, alert_ts_ms=ALERT_MS, strategy=strategy) for series in many
            ],
            "a bare Python loop over the same candles": lambda: [_bare_loop(window) for window in windows],
        },
        rounds=rounds,
        operations=len(many),
    )
    return figure(measured, "per s")


def _series(number: int) -> CandleSeries:
    walk = price_walk(number, SERIES_ROWS)
    opens_ms = FIRST_CANDLE_MS + MINUTE_MS * np.arange(SERIES_ROWS, dtype=np.int64)
    return CandleSeries(opens_ms, walk["open"], walk["high"], walk["low"], walk["close"], MINUTE_MS)


def _lived_through(series: CandleSeries, strategy: Strategy) -> CandleSeries:
    """The candles from entry to last exit."""
    position = simulate(series, alert_ts_ms=ALERT_MS, strategy=strategy).position
    if position is None:
        raise RuntimeError("a generated alert was not traded")
    first = int(np.searchsorted(series.ts_ms, position.entry_ts_ms))
    return series.rows(first, first + position.candles_used)


def _bare_loop(window: CandleSeries) -> float:
    """The least that Python can do for a stop, a target and a peak; the levels are out of reach."""
    stop, target, peak = 0.0, math.inf, 0.0
    for low, high in zip(window.low.tolist(), window.high.tolist(), strict=True):
        if low <= stop or high >= target:
            break
        if high > peak:
            peak = high
    return peak
