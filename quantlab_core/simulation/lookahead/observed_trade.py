"""What an engine did with one call, as facts that were certain from some instant on: what the audit compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from quantlab_core.simulation.candle_pack import Calls, CandlePack

Facts = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Fill:
    """One buy or sell. ``facts`` are compared, times are epoch ms UTC.

    ``candle_ts_ms`` is the open of the candle that gave the price, ``ts_ms`` when the fill is known. A fill at the
    candle's open has both equal. ``is_level`` marks a sale at a stop or target inside its candle, whose price was
    ordered before the candle began.
    """

    facts: Facts
    ts_ms: int
    candle_ts_ms: int
    is_level: bool = False
    is_stop: bool = False

    def known_ms(self, interval_ms: int, *, sees_open: bool) -> int:
        """From when the fill is certain: when its candle has closed, or has opened if opens are seen at once."""
        if sees_open and self.ts_ms == self.candle_ts_ms:
            return self.ts_ms
        return max(self.ts_ms, self.candle_ts_ms + interval_ms)


@dataclass(frozen=True, slots=True)
class ObservedTrade:
    """One call under one strategy. ``fills`` are the entry and all sales but one at the end of the data.

    ``settled_ms`` is the deadline where the data reach it: from then on nothing may change. ``whole`` is everything
    that the engine says of the call; ``summary`` is what a trades table says of it (see `summary_of`).
    """

    summary: Facts
    fills: tuple[Fill, ...]
    whole: Facts
    settled_ms: int | None = None

    def known(self, tau_ms: int, interval_ms: int, *, sees_open: bool) -> Facts:
        """What was certain at ``tau_ms``: fills, and the whole once it is settled."""
        if self.settled_ms is not None and self.settled_ms <= tau_ms:
            return self.whole
        return tuple(self._known_fills(tau_ms, interval_ms, sees_open))

    def _known_fills(self, tau_ms: int, interval_ms: int, sees_open: bool) -> Iterator[Facts]:
        for fill in self.fills:
            if fill.known_ms(interval_ms, sees_open=sees_open) <= tau_ms:
                yield fill.facts


def summary_of(
    status: str,
    reason: str | None,
    *,
    entry_ts_ms: int | None = None,
    entry_raw_price: float | None = None,
    exit_ts_ms: int | None = None,
    exit_reason: str | None = None,
    gross_return: float | None = None,
    net_return: float | None = None,
) -> Facts:
    """Status, reason (None for a trade), entry, exit and returns: what every engine and the trades table know."""
    entry = (entry_ts_ms, entry_raw_price)
    return (status, reason or None, *entry, exit_ts_ms, exit_reason, gross_return, net_return)


Observe = Callable[[CandlePack, Calls], Sequence[ObservedTrade]]
"""An engine with its strategy: what it does with each call."""


@dataclass(frozen=True, slots=True)
class AuditedEngine:
    """An engine under audit, by the name that the report gives it."""

    name: str
    observe: Observe
