"""The candles around one call, in a form whose future can be cut or changed, and many of them as one pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.entry import entry_allowed_after_ms, first_row_after_alert
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.token import Token

PADDING = 20
"""Candles that are kept on either side of what a call can need: there to be changed without effect."""

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CallWindow:
    """The candles that a call may need, and some around them. Times are epoch ms UTC.

    ``coverage_end_ms`` is where the call's coverage ends; None without a candle to enter at. ``first_ms`` is the
    instant after which (strictly) its entry candle opens, ``last_ms`` one after all that it can need.
    """

    series: CandleSeries
    tradable_from_ms: int
    coverage_end_ms: int | None
    first_ms: int
    last_ms: int

    @property
    def interval_ms(self) -> int:
        """Length of a candle."""
        return self.series.interval_ms

    def cut(self, tau_ms: int) -> CallWindow:
        """The window as it was at ``tau_ms``, a multiple of the interval: candles that had closed, and coverage."""
        known = None if self.coverage_end_ms is None else min(self.coverage_end_ms, tau_ms)
        until = int(np.searchsorted(self.series.ts_ms, tau_ms))
        return replace(self, series=self.series.rows(0, until), coverage_end_ms=known)

    def with_changed_future(self, tau_ms: int, factor: float) -> CallWindow:
        """All prices that came at or after ``tau_ms`` times ``factor``, but for an open at ``tau_ms`` itself."""
        return self.with_changed(self.series.ts_ms >= tau_ms, factor, kept_open_ms=tau_ms)

    def with_changed(self, rows: Flags, factor: float, *, kept_open_ms: int | None = None) -> CallWindow:
        """The prices of ``rows`` times ``factor``, but for the open of the candle at ``kept_open_ms``."""
        factors = np.where(rows, factor, 1.0)
        series = self.series
        opens = series.open * np.where(series.ts_ms == kept_open_ms, 1.0, factors)
        changed = replace(
            series,
            open=opens,
            high=np.maximum(series.high * factors, opens),
            low=np.minimum(series.low * factors, opens),
            close=series.close * factors,
        )
        return replace(self, series=changed)

    def without(self, rows: Flags) -> CallWindow:
        """The window without these candles; coverage stays."""
        kept = ~rows
        series = self.series
        left = replace(
            series,
            ts_ms=series.ts_ms[kept],
            open=series.open[kept],
            high=series.high[kept],
            low=series.low[kept],
            close=series.close[kept],
            volume=None,
        )
        return replace(self, series=left)

    def with_price(self, column: str, row: int, price: float) -> CallWindow:
        """The window with another price in one candle."""
        values: Floats = getattr(self.series, column).copy()
        values[row] = price
        changes: dict[str, Floats] = {column: values}
        return replace(self, series=replace(self.series, **changes))  # type: ignore[arg-type] # no column is a number

    def row_of(self, ts_ms: int) -> int:
        """The row of the candle that opens at ``ts_ms``."""
        return int(np.searchsorted(self.series.ts_ms, ts_ms))


def call_window(pack: CandlePack, calls: Calls, call: int, strategy: Strategy) -> CallWindow:
    """The window of a call whose token has a series."""
    index = int(calls.series_index[call])
    series = pack.series(index)
    tradable_from_ms = int(calls.tradable_from_ms[call])
    first_ms = entry_allowed_after_ms(tradable_from_ms, strategy)
    minutes = strategy.max_hold_min + (strategy.limit_ttl_min or 0)
    last_ms = first_ms + round(strategy.max_entry_wait_s * 1_000) + minutes * 60_000 + series.interval_ms
    start = max(0, int(np.searchsorted(series.ts_ms, first_ms, side="right")) - PADDING)
    stop = int(np.searchsorted(series.ts_ms, last_ms)) + PADDING
    row = first_row_after_alert(series, tradable_from_ms, strategy)
    coverage_end_ms = None if row is None else _coverage_end_ms(pack, index, int(series.ts_ms[row]), series)
    return CallWindow(series.rows(start, stop), tradable_from_ms, coverage_end_ms, first_ms, last_ms)


def _coverage_end_ms(pack: CandlePack, index: int, entry_ts_ms: int, series: CandleSeries) -> int:
    """End of the span that holds the first candle an entry may use; without one, of the series."""
    at_us = entry_ts_ms * 1_000
    spans = (end // 1_000 for start, end in pack.spans_us(index) if start <= at_us < end)
    return next(spans, series.end_ms or 0)


def packed(windows: Sequence[CallWindow]) -> tuple[CandlePack, Calls]:
    """The windows, of which there is one at least, as one pack, a series each, and the call of each."""
    lengths = [len(window.series) for window in windows]
    has_span = [window.coverage_end_ms is not None for window in windows]
    ends = [window.coverage_end_ms * 1_000 for window in windows if window.coverage_end_ms is not None]
    pack = CandlePack(
        tokens=tuple(Token("window", str(number)) for number in range(len(windows))),
        offsets=_offsets(lengths),
        ts_ms=np.concatenate([window.series.ts_ms for window in windows]),
        open=np.concatenate([window.series.open for window in windows]),
        high=np.concatenate([window.series.high for window in windows]),
        low=np.concatenate([window.series.low for window in windows]),
        close=np.concatenate([window.series.close for window in windows]),
        interval_ms=np.array([window.interval_ms for window in windows], dtype=np.int64),
        span_offsets=_offsets([int(one) for one in has_span]),
        span_start_us=np.full(len(ends), np.iinfo(np.int64).min, dtype=np.int64),
        span_end_us=np.array(ends, dtype=np.int64),
    )
    tradable = np.array([window.tradable_from_ms for window in windows], dtype=np.int64)
    return pack, Calls(np.arange(len(windows), dtype=np.int64), tradable)


def _offsets(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate(([0], np.cumsum(np.array(lengths, dtype=np.int64)))).astype(np.int64)
