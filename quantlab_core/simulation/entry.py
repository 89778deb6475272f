"""Rule C2: where, when and at what price a call becomes a position."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Entry:
    """The fill that opens a position: row of the candle and raw price R.

    ``is_intrabar`` marks a limit order filled inside its candle: what the candle did before is not the position's.
    """

    row: int
    raw_price: float
    is_intrabar: bool = False


@dataclass(frozen=True, slots=True)
class EntrySearch:
    """Outcome of looking for an entry: the entry, or the reason that there is none.

    ``first_row`` and ``end_row`` are the candles [first_row, end_row) that were looked at.
    """

    first_row: int
    end_row: int
    entry: Entry | None = None
    reason: str | None = None


def first_row_after_alert(series: CandleSeries, alert_ts_ms: int, strategy: Strategy) -> int | None:
    """Row of the first candle that opens strictly after the alert and the entry delay, if it opens soon enough.

    Strictly: stamps are floored to the second, so an alert stamped on an open may have come after it.
    """
    earliest_ms = entry_allowed_after_ms(alert_ts_ms, strategy)
    row = int(np.searchsorted(series.ts_ms, earliest_ms, side="right"))
    if row == len(series) or int(series.ts_ms[row]) - earliest_ms > strategy.max_entry_wait_s * 1_000:
        return None
    return row


def entry_allowed_after_ms(alert_ts_ms: int, strategy: Strategy) -> int:
    """The instant t_ok after which (strictly) a candle must open to be used."""
    return alert_ts_ms + round(strategy.entry_delay_s * 1_000)


def find_entry(series: CandleSeries, alert_ts_ms: int, strategy: Strategy) -> EntrySearch:
    """The entry of ``strategy`` for a call at ``alert_ts_ms``. Needs ascending times."""
    first_row = first_row_after_alert(series, alert_ts_ms, strategy)
    if first_row is None:
        return EntrySearch(0, 0, reason="no_candle")
    if strategy.limit_pct is None:
        return EntrySearch(first_row, first_row + 1, Entry(first_row, float(series.open[first_row])))
    return _find_limit_fill(series, first_row, strategy.limit_pct, strategy.limit_ttl_min or 0)


def _find_limit_fill(series: CandleSeries, first_row: int, limit_pct: float, ttl_min: int) -> EntrySearch:
    limit = float(series.open[first_row]) * (1.0 - limit_pct)
    expires_ms = int(series.ts_ms[first_row]) + ttl_min * 60_000
    end_row = int(np.searchsorted(series.ts_ms, expires_ms, side="left"))
    for row in range(first_row, end_row):
        if series.open[row] <= limit:
            return EntrySearch(first_row, row + 1, Entry(row, float(series.open[row])))
        if series.low[row] <= limit:
            return EntrySearch(first_row, row + 1, Entry(row, limit, is_intrabar=True))
    return EntrySearch(first_row, end_row, reason="limit_not_filled")
