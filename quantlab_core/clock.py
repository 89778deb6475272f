"""Port of the clock: the only way in which time of day enters quantlab, always as an argument."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present instant."""

    def now(self) -> datetime:
        """Now, in UTC, with its zone."""
        ...
