"""What became of one alert: its fills and, by rule C6, the money and returns that follow from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from quantlab_core.simulation.path_metrics import PathMetrics

TradeStatus = Literal["closed", "no_entry", "bad_data"]


@dataclass(frozen=True, slots=True)
class ExitLeg:
    """One sale. ``fraction`` is of the initial quantity, ``price`` is after slippage, ``fee`` is money."""

    fraction: float
    raw_price: float
    price: float
    quantity: float
    fee: float
    ts_ms: int
    candle_ts_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Position:
    """A position from entry to last exit. Prices per token, money in the stake's currency, times epoch ms UTC.

    ``entry_ts_ms`` is the open of the entry candle; ``entry_fill_ts_ms`` is the same for a fill at the open and the
    candle's close, when it is known, for a fill inside it. ``stake`` includes ``entry_fee``. ``mfe`` and
    ``mae`` are the best and worst price met while held, / raw price - 1.
    """

    stake: float
    entry_ts_ms: int
    entry_fill_ts_ms: int
    entry_raw_price: float
    entry_price: float
    quantity: float
    entry_fee: float
    exits: tuple[ExitLeg, ...]
    gross_return: float
    net_return: float
    mfe: float
    mae: float
    is_ambiguous: bool
    return_pessimistic: float
    return_optimistic: float
    is_censored: bool
    stale_exit_s: float | None
    candles_used: int
    missing_candles: int
    path: PathMetrics

    @property
    def exit_ts_ms(self) -> int:
        """Time of the last exit."""
        return self.exits[-1].ts_ms

    @property
    def exit_reason(self) -> str:
        """Reason of the last exit."""
        return self.exits[-1].reason

    @property
    def duration_s(self) -> float:
        """Seconds from entry to last exit."""
        return (self.exit_ts_ms - self.entry_ts_ms) / 1_000

    @property
    def pnl(self) -> float:
        """Money won or lost."""
        return self.stake * self.net_return

    @property
    def exit_fees(self) -> float:
        """Fees of all sales."""
        return _in_order(leg.fee for leg in self.exits)

    @property
    def slippage_cost(self) -> float:
        """Money lost to slippage at the entry and all sales."""
        at_entry = self.quantity * (self.entry_price - self.entry_raw_price)
        return at_entry + _in_order(leg.quantity * (leg.raw_price - leg.price) for leg in self.exits)

    @property
    def avg_exit_raw_price(self) -> float:
        """Raw exit price weighted by fraction."""
        return _in_order(leg.fraction * leg.raw_price for leg in self.exits)

    @property
    def avg_exit_price(self) -> float:
        """Exit price after slippage weighted by fraction."""
        return _in_order(leg.fraction * leg.price for leg in self.exits)


@dataclass(frozen=True, slots=True)
class SimulatedTrade:
    """What a strategy did with one alert: a ``position``, or the ``reason`` why there is none."""

    status: TradeStatus
    alert_ts_ms: int
    reason: str | None = None
    position: Position | None = None


def _in_order(values: Iterable[float]) -> float:
    """The plain sum from left to right. Python's own has rounded otherwise since 3.12, and results may not differ."""
    total = 0.0
    for value in values:
        total += value
    return total
