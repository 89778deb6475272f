"""Instants as whole microseconds since 1970-01-01 UTC: the arithmetic of candle times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from quantlab_core.artifacts.timestamp_text import format_timestamp_short

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE_US = 60_000_000
DAY_US = 1_440 * MINUTE_US


def duration_microseconds(duration: timedelta) -> int:
    """A duration in whole microseconds."""
    return duration // timedelta(microseconds=1)


def epoch_microseconds(instant: datetime) -> int:
    """An instant with a zone as microseconds since the epoch."""
    return duration_microseconds(instant - EPOCH)


def instant_of(stamp: int | np.int64) -> datetime:
    """The inverse of `epoch_microseconds`, in UTC."""
    return EPOCH + timedelta(microseconds=int(stamp))


def iso_text(stamp: int | np.int64) -> str:
    """The instant of ``stamp`` as it stands in logical keys and messages: ``2025-05-01T12:34:56Z``."""
    return format_timestamp_short(instant_of(stamp))
