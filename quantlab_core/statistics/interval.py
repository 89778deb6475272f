"""A confidence interval."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interval:
    """``low`` to ``high``; a bound is None where the data do not bound the value on that side."""

    low: float | None
    high: float | None


UNKNOWN = Interval(None, None)
"""No interval: too little was seen."""
