"""Rule C1: which candles the engine accepts. A violation makes the alert ``bad_data``; nothing is ever repaired."""

from __future__ import annotations

import numpy as np

from quantlab_core.simulation.candle_series import CandleSeries


def times_violation(series: CandleSeries) -> str | None:
    """Code of the rule that the times of the whole series break, or None.

    Times ascend without repeats and are multiples of the interval.
    """
    if (np.diff(series.ts_ms) <= 0).any():
        return "ts_not_ascending"
    if (series.ts_ms % series.interval_ms != 0).any():
        return "ts_off_grid"
    return None


def prices_violation(series: CandleSeries) -> str | None:
    """Code of the first rule that any of these candles' prices break, or None.

    Prices are finite, 0 < low <= min(open, close), high >= max(open, close).
    """
    prices = np.stack((series.open, series.high, series.low, series.close))
    if not np.isfinite(prices).all():
        return "price_not_finite"
    if (series.low <= 0).any():
        return "price_not_positive"
    if (series.low > np.minimum(series.open, series.close)).any():
        return "low_above_open_or_close"
    if (series.high < np.maximum(series.open, series.close)).any():
        return "high_below_open_or_close"
    return None
