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
