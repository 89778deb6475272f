"""Candles drawn by hand: minutes and prices in, trades out, in numbers that fit a worked example."""

from __future__ import annotations

from typing import Any

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.simulation.trade import Position, SimulatedTrade

T0_MS = 1_750_000_020_000
"""Open time of minute 0: a whole minute, like every candle's."""

Candle = tuple[int, float, float, float, float]


def draw(*candles: Candle, interval_min: int = 1, t0_ms: int = T0_MS) -> CandleSeries:
    """A series from (minute, open, high, low, close)."""
    rows = [(t0_ms + 60_000 * minute, *prices) for minute, *prices in candles]
    return CandleSeries.from_rows(rows, interval_min * 60_000)  # type: ignore[arg-type]


def play(
    *candles: Candle,
    alert_s: float = -1,
    coverage_min: float | None = None,
    dead_price: Any = "last_close",
    **config: Any,
) -> SimulatedTrade:
    """Simulate one call ``alert_s`` seconds after minute 0."""
    return simulate(
        draw(*candles),
        alert_ts_ms=T0_MS + round(alert_s * 1_000),
        strategy=parse_strategy({"max_hold_min": 60, **config}),
        coverage_end_ms=None if coverage_min is None else T0_MS + round(60_000 * coverage_min),
        dead_price=dead_price,
    )


def position_of(trade: SimulatedTrade) -> Position:
    assert trade.status == "closed", trade
    assert trade.position is not None
    return trade.position


def sales(trade: SimulatedTrade) -> list[tuple[float, float, float, str]]:
    """(fraction, raw price rounded to 9 digits, seconds after minute 0, reason) of every sale."""
    return [
        (leg.fraction, round(leg.raw_price, 9), (leg.ts_ms - T0_MS) / 1_000, leg.reason)
        for leg in position_of(trade).exits
    ]
