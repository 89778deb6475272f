"""Rules C3 to C5: from the entry candle to the last sale, candle by candle, in raw prices.

The order of events inside a candle is the heart of the semantics: open, then low before high (or the other way round,
by policy), then the close, then what the completed candle changes for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.entry import Entry
from quantlab_core.simulation.stop_levels import StopLevels
from quantlab_core.simulation.strategy import FRACTION_TOLERANCE, IntrabarPolicy, Strategy


@dataclass(frozen=True, slots=True)
class ForcedExit:
    """The sale at the end of the window, for whatever is left: a time exit, or the end of the data."""

    reason: str
    ts_ms: int
    raw_price: float
    stale_exit_s: float | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale before costs. ``candle_ts_ms`` is the open time of the candle that gave the price."""

    fraction: float
    raw_price: float
    ts_ms: int
    candle_ts_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Holding:
    """All sales of a position, the extreme prices it met, and how many candles it saw."""

    sales: tuple[Sale, ...]
    highest: float
    lowest: float
    is_ambiguous: bool
    candles_used: int


class Candle(NamedTuple):
    """One candle of the window; ``end_ms`` is its close time."""

    ts_ms: int
    end_ms: int
    open: float
    high: float
    low: float
    close: float


def hold(
    window: CandleSeries, entry: Entry, strategy: Strategy, policy: IntrabarPolicy, forced_exit: ForcedExit
) -> Holding:
    """Hold a position through ``window``: its first candle is the entry candle, at its last one the rest is sold.

    ``policy`` is the order of low and high inside a candle, whatever ``strategy.intrabar`` says.
    """
    book = _OpenPosition(entry, strategy)
    rows = zip(
        window.ts_ms.tolist(), window.open.tolist(), window.high.tolist(), window.low.tolist(), window.close.tolist(),
        strict=True,
    )  # fmt: skip
    for number, (ts_ms, open_, high, low, close) in enumerate(rows, start=1):
        candle = Candle(ts_ms, ts_ms + window.interval_ms, open_, high, low, close)
        is_partial = number == 1 and entry.is_intrabar
        if is_partial:
            _live_through_rest_of_fill_candle(book, candle)
        else:
            _live_through_candle(book, candle, policy)
        if book.is_open and number == len(window):
            book.sell_rest(forced_exit.raw_price, forced_exit.ts_ms, candle, forced_exit.reason)
        if not book.is_open:
            return book.closed(candles_used=number)
        book.stops.update(close if is_partial else high)
    raise AssertionError("a window without candles has no entry")


def _live_through_candle(book: _OpenPosition, candle: Candle, policy: IntrabarPolicy) -> None:
    """Steps 1 to 3 of rule C4."""
    book.meet(candle.open)
    if candle.open <= book.stops.level:
        book.sell_rest(candle.open, candle.ts_ms, candle, book.stops.reason)
        return
    book.sell_targets_at_open(candle)
    if not book.is_open:
        return
    book.note_ambiguity(candle)
    if _is_high_first(policy, candle):
        book.sell_targets_in(candle)
        book.stop_in(candle)
    else:
        book.stop_in(candle)
        book.sell_targets_in(candle)


def _live_through_rest_of_fill_candle(book: _OpenPosition, candle: Candle) -> None:
    """The candle in which a limit order was filled: the fill lies on the way to the low, so only the low is left.

    Its high may have come before the fill, so it reaches no target; the close is the one later price that is certain.
    """
    book.stop_in(candle)
    if book.is_open:
        book.meet(candle.close)


def _is_high_first(policy: IntrabarPolicy, candle: Candle) -> bool:
    if policy == "ohlc_path":
        return candle.high - candle.open < candle.open - candle.low
    return policy == "target_first"


class _OpenPosition:
    """What is left of a position, its live stops and its unfilled targets."""

    def __init__(self, entry: Entry, strategy: Strategy) -> None:
        entry_price = entry.raw_price * (1.0 + strategy.slippage)
        self.stops = StopLevels(strategy, entry_price)
        self._targets = [(entry_price * (1.0 + rung.gain), rung.fraction) for rung in strategy.take_profit]
        self._left = 1.0
        self._sales: list[Sale] = []
        self._highest = self._lowest = entry.raw_price
        self._is_ambiguous = False

    @property
    def is_open(self) -> bool:
        return self._left > 0

    def meet(self, price: float) -> None:
        """Take in a price that the position lived through."""
        if price > self._highest:
            self._highest = price
        elif price < self._lowest:
            self._lowest = price

    def note_ambiguity(self, candle: Candle) -> None:
        """Remember a candle inside which both the stop and the next target can be reached, in unknown order."""
        if self._targets and candle.high >= self._targets[0][0] and candle.low <= self.stops.level:
            self._is_ambiguous = True

    def sell_targets_at_open(self, candle: Candle) -> None:
        """Step 1: an open beyond a target fills it at the open, which is better than the target."""
        while self.is_open and self._targets and candle.open >= self._targets[0][0]:
            self._sell_rung(candle.open, candle.ts_ms, candle)

    def stop_in(self, candle: Candle) -> None:
        """Step 2: a low that touches the stop sells all that is left at its level."""
        if not self.is_open:
            return
        if candle.low <= self.stops.level:
            self.meet(self.stops.level)
            self.sell_rest(self.stops.level, candle.end_ms, candle, self.stops.reason)
        else:
            self.meet(candle.low)

    def sell_targets_in(self, candle: Candle) -> None:
        """Step 3: a high that touches targets fills each at its level."""
        while self.is_open and self._targets and candle.high >= self._targets[0][0]:
            self.meet(self._targets[0][0])
            self._sell_rung(self._targets[0][0], candle.end_ms, candle)
        if self.is_open:
            self.meet(candle.high)

    def sell_rest(self, raw_price: float, ts_ms: int, candle: Candle, reason: str) -> None:
        """Sell all that is left."""
        self._sell(self._left, raw_price, ts_ms, candle, reason)

    def closed(self, *, candles_used: int) -> Holding:
        """The finished holding."""
        return Holding(tuple(self._sales), self._highest, self._lowest, self._is_ambiguous, candles_used)

    def _sell_rung(self, raw_price: float, ts_ms: int, candle: Candle) -> None:
        _, fraction = self._targets.pop(0)
        is_all = self._left - fraction <= FRACTION_TOLERANCE
        self._sell(self._left if is_all else fraction, raw_price, ts_ms, candle, "take_profit")

    def _sell(self, fraction: float, raw_price: float, ts_ms: int, candle: Candle, reason: str) -> None:
        self._left -= fraction
        self._sales.append(Sale(fraction, raw_price, ts_ms, candle.ts_ms, reason))
