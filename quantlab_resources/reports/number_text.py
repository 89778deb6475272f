"""Numbers as people read them: signed percentages, money, multiples, durations. A missing value is a dash."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

MISSING = "–"
_MINUS = "−"


def percent(value: float | None, *, digits: int = 1, signed: bool = True) -> str:
    """A fraction as a percentage: 0.1234 is ``+12.3 %``; thousands are grouped."""
    if value is None or not math.isfinite(value):
        return MISSING
    return _signed(f"{value * 100:{'+' if signed else ''},.{digits}f}") + "\u202f%"


def share(value: float | None) -> str:
    """A share in whole percent: ``97%``. Only all is ``100%``, and only nothing is ``0%``."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:.0%}"
    if text == "0%" and value > 0:
        return "<1%"
    return ">99%" if text == "100%" and value < 1 else text


def money(value: float | None) -> str:
    """An amount with its sign: ``+1,234.50``."""
    return MISSING if value is None or not math.isfinite(value) else _signed(f"{value:+,.2f}")


def amount(value: float | None) -> str:
    """An amount without a plus sign: ``1,234.50``."""
    return MISSING if value is None or not math.isfinite(value) else _signed(f"{value:,.2f}")


def number(value: float | None, *, digits: int = 2) -> str:
    """A plain number with so many digits after the point."""
    return MISSING if value is None or not math.isfinite(value) else _signed(f"{value:,.{digits}f}")


def count(value: float | None) -> str:
    """A whole number, thousands grouped."""
    return MISSING if value is None else f"{round(value):,}"


def price(value: float | None) -> str:
    """A price to four digits that count, in plain decimals where they are few: ``0.00001234``."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 or not 1e-9 <= abs(value) < 1e12:
        return _signed(f"{value:.4g}")
    places = max(0, 3 - math.floor(math.log10(abs(value))))
    return _signed(f"{value:,.{places}f}")


def between(low: float | None, high: float | None, write: Callable[[float | None], str]) -> str:
    """The bounds of an interval; an unknown one is left open, and without any there is no text."""
    if low is None and high is None:
        return ""
    if high is None:
        return f"from {write(low)}"
    return f"up to {write(high)}" if low is None else f"{write(low)} to {write(high)}"


def multiple(value: float | None) -> str:
    """How many times: ``3.4×``."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.1f}×"


def duration(seconds: float | None) -> str:
    """The two largest units: ``45 min``, ``3 h 20 min``, ``1 d 4 h``."""
    if seconds is None:
        return MISSING
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def instant(value: datetime | None) -> str:
    """A UTC instant to the minute: ``2025-05-01 12:34``."""
    return MISSING if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def shortened(address: str) -> str:
    """The two ends of a long address; short text is left as it is."""
    return address if len(address) <= 14 else f"{address[:6]}…{address[-5:]}"


def _signed(text: str) -> str:
    without_sign = text.lstrip("+-")
    is_zero = not without_sign.strip("0.,")
    return without_sign if is_zero else text.replace("-", _MINUS)
