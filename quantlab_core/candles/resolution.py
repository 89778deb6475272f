"""Candle resolutions by name, and which of them can be made of which.

A candle of a resolution begins on a whole multiple of it from 1970-01-01 00:00 UTC. So a day begins at midnight UTC,
and candles of four hours at 00, 04, 08, 12, 16 and 20 h UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from quantlab_core.candles.epoch_time import duration_microseconds
from quantlab_core.errors import InvalidInputError

RESOLUTIONS: dict[str, timedelta] = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}

ONE_MINUTE = "1m"
"""Coverage and experiments count minutes; `finest_candles` asks for coarser ones where there are none."""


def length_of(resolution: str) -> timedelta:
    """The length of its candles. Raises InvalidInputError for a name that is no resolution."""
    if resolution not in RESOLUTIONS:
        raise InvalidInputError(f"{resolution!r} is no resolution; known are {', '.join(RESOLUTIONS)}")
    return RESOLUTIONS[resolution]


def step_of(resolution: str) -> int:
    """The same in microseconds, in which candle times are counted."""
    return duration_microseconds(length_of(resolution))


def finer_than(stored: Iterable[str], wanted: str) -> list[str]:
    """Those of the ``stored`` resolutions that ``wanted`` can be made of, the finest first. Others are passed over."""
    known = sorted({name for name in stored if name in RESOLUTIONS}, key=RESOLUTIONS.__getitem__)
    step = RESOLUTIONS[wanted]
    return [name for name in known if RESOLUTIONS[name] < step and not step % RESOLUTIONS[name]]
