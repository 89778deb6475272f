"""Rule C9: what the price did after an entry, whatever the strategy did. Labels for research, never filters.

They look at the whole holding window, so using one to choose alerts would be look-ahead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantlab_core.simulation.candle_series import CandleSeries

MULTIPLES = (2, 3, 5, 10)
"""Multiples of the raw entry price whose first touch is timed."""


@dataclass(frozen=True, slots=True)
class PathMetrics:
    """Path of a window relative to the raw entry price R. Returns are fractions, times seconds after the entry."""

    ath_multiple: float
    mfe: float
    mae: float
    max_drawdown: float
    ret_end: float
    time_to_multiple_s: Mapping[int, float]
    dd_before_multiple: Mapping[int, float]


def path_metrics(window: CandleSeries, raw_price: float, *, is_intrabar_entry: bool = False) -> PathMetrics:
    """Metrics of ``window`` (one or more candles, the first is the entry candle) relative to ``raw_price`` (R).

    ``dd_before_multiple`` includes the touch candle's low: the stop that would have prevented the touch. A multiple
    that is never reached is in neither mapping. For an entry inside its candle that candle's close stands in for its
    high, which may have come before the entry.
    """
    highs = window.high.copy()
    if is_intrabar_entry:
        highs[0] = window.close[0]
    lowest_so_far = np.minimum.accumulate(window.low)
    peaks_before = np.maximum.accumulate(np.concatenate(([raw_price], highs[:-1])))
    entry_ts_ms = int(window.ts_ms[0])
    time_to: dict[int, float] = {}
    drawdown_before: dict[int, float] = {}
    for multiple in MULTIPLES:
        touches = np.flatnonzero(highs >= multiple * raw_price)
        if len(touches):
            touch = int(touches[0])
            time_to[multiple] = (int(window.ts_ms[touch]) - entry_ts_ms) / 1_000
            drawdown_before[multiple] = float(lowest_so_far[touch]) / raw_price - 1.0
    ath_multiple = float(highs.max()) / raw_price
    return PathMetrics(
        ath_multiple=ath_multiple,
        mfe=ath_multiple - 1.0,
        mae=float(lowest_so_far[-1]) / raw_price - 1.0,
        max_drawdown=float((window.low / peaks_before).min()) - 1.0,
        ret_end=float(window.close[-1]) / raw_price - 1.0,
        time_to_multiple_s=time_to,
        dd_before_multiple=drawdown_before,
    )
