"""The time after a call that must be covered, in minutes since the epoch: where it begins, and how far it goes."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from quantlab_core.candles.arrow_columns import Integers, microseconds
from quantlab_core.candles.epoch_time import MINUTE_US, instant_of

HORIZONS_H = (1, 4, 12, 24, 48)
WINDOW_MINUTES = 60 * HORIZONS_H[-1]
"""What every alert needs: its longest horizon."""


def first_minutes(alerts: pa.Table) -> Integers:
    """Per alert the first whole minute strictly after it.

    Telegram floors its stamps to the second: a call stamped 12:00:00 may have come after that minute's open.
    """
    return microseconds(alerts["alert_ts_utc"]) // MINUTE_US + 1


def needed_until(alerts: pa.Table) -> datetime | None:
    """When the last of the alerts' windows ends; None without alerts. Nobody needs anything later."""
    starts = first_minutes(alerts)
    return instant_of(int(starts.max() + WINDOW_MINUTES) * MINUTE_US) if len(starts) else None


def union_of(windows: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Windows [start, end) as disjoint ones in order; windows that touch are one, empty ones are dropped."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(window for window in windows if window[0] < window[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def without(window: tuple[int, int], covered: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of ``window`` outside ``covered``, which is disjoint and in order."""
    left, (start, end) = [], window
    for covered_start, covered_end in covered:
        if covered_end <= start:
            continue
        if covered_start >= end:
            break
        if start < covered_start:
            left.append((start, covered_start))
        start = covered_end
    if start < end:
        left.append((start, end))
    return left
