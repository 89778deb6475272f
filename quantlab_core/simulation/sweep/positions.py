"""Rules C2 and C5 for many calls: where each is bought, and what ends its position when no stop or target does.

Everything that is compiled into `_find_positions` stands in this file. Loads numba, so import it only to run something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.outcome_codes import (
    BAD_DATA,
    CLOSED,
    END_OF_DATA,
    LIMIT_NOT_FILLED,
    NO_CANDLE,
    NO_CANDLE_SERIES,
    NO_ENTRY,
    NO_REASON,
    PRICE_NOT_FINITE,
    TIME_EXIT,
)
from quantlab_core.simulation.sweep.candle_faults import CandleFaults
from quantlab_core.simulation.sweep.entry_rule import EntryRule

_F8 = nb.types.Array(nb.float64, 1, "C", readonly=True)
_I8 = nb.types.Array(nb.int64, 1, "C", readonly=True)
_I1 = nb.types.Array(nb.int8, 1, "C", readonly=True)
_U1 = nb.types.Array(nb.uint8, 1, "C", readonly=True)
_NO_PRICE = math.nan
_UNKNOWN = -(2**62)
"""Stands for "no source span", which no instant does."""


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """What one entry rule makes of many calls, for each of several holding times; one number per call.

    ``first_row`` (-1: none) and ``end_row`` are the candles of the pack that a position may see within the longest
    holding time, without the first bad one and what follows it. ``is_intrabar`` marks a limit order filled inside its
    candle. Arrays of the second group have a row per holding time: ``end_k`` is the number of intervals from the entry
    to the deadline; the forced exit is that of rule C5.
    """

    first_row: npt.NDArray[np.int64]
    end_row: npt.NDArray[np.int64]
    entry_ts_ms: npt.NDArray[np.int64]
    raw_price: npt.NDArray[np.float64]
    is_intrabar: npt.NDArray[np.uint8]
    interval_ms: npt.NDArray[np.int64]
    status: npt.NDArray[np.int8]
    reason: npt.NDArray[np.int8]
    end_k: npt.NDArray[np.int32]
    forced_price: npt.NDArray[np.float64]
    forced_ts_ms: npt.NDArray[np.int64]
    forced_reason: npt.NDArray[np.int8]


def find_positions(
    pack: CandlePack,
    calls: Calls,
    faults: CandleFaults,
    rule: EntryRule,
    hold_ms: npt.NDArray[np.int64],
    *,
    is_dead_worthless: bool,
) -> Positions:
    """The positions of ``rule`` for each holding time of ``hold_ms`` (ascending)."""
    calls_n, holds_n = len(calls), len(hold_ms)
    found = Positions(
        first_row=np.empty(calls_n, np.int64),
        end_row=np.empty(calls_n, np.int64),
        entry_ts_ms=np.empty(calls_n, np.int64),
        raw_price=np.empty(calls_n, np.float64),
        is_intrabar=np.empty(calls_n, np.uint8),
        interval_ms=np.empty(calls_n, np.int64),
        status=np.empty((holds_n, calls_n), np.int8),
        reason=np.empty((holds_n, calls_n), np.int8),
        end_k=np.empty((holds_n, calls_n), np.int32),
        forced_price=np.empty((holds_n, calls_n), np.float64),
        forced_ts_ms=np.empty((holds_n, calls_n), np.int64),
        forced_reason=np.empty((holds_n, calls_n), np.int8),
    )
    _find_positions(
        *(pack.offsets, pack.ts_ms, pack.open, pack.low, pack.close, pack.interval_ms),
        *(pack.span_offsets, pack.span_start_us, pack.span_end_us),
        *(faults.series_reason, faults.rows, faults.bits),
        *(calls.series_index, calls.tradable_from_ms),
        *(rule.delay_ms, rule.wait_ms, math.nan if rule.limit_pct is None else rule.limit_pct, rule.limit_ttl_ms),
        *(hold_ms, is_dead_worthless),
        *(found.first_row, found.end_row, found.entry_ts_ms, found.raw_price, found.is_intrabar, found.interval_ms),
        *(found.status, found.reason, found.end_k, found.forced_price, found.forced_ts_ms, found.forced_reason),
    )
    return found


@nb.njit
def _rows_until(ts, start, end, instant):  # type: ignore[no-untyped-def]
    """First row of [start, end) whose time is not before ``instant``; ``end`` when there is none."""
    while start < end:
        middle = (start + end) // 2
        if ts[middle] < instant:
            start = middle + 1
        else:
            end = middle
    return start


@nb.njit
def _deadline_row(ts, row, end, deadline_ms, interval):  # type: ignore[no-untyped-def]
    """`_rows_until` the deadline, which is at once right where no candle is missing."""
    likely = min(row + (deadline_ms - ts[row] + interval - 1) // interval, end)
    if (likely == end or ts[likely] >= deadline_ms) and ts[likely - 1] < deadline_ms:
        return likely
    return _rows_until(ts, row, likely, deadline_ms)


@nb.njit
def _fault_reason(rows, bits, first, end):  # type: ignore[no-untyped-def]
    """The first rule that any row of [first, end) breaks, as a code of `REASONS`."""
    wrong = 0
    for i in range(_rows_until(rows, 0, len(rows), first), len(rows)):
        if rows[i] >= end:
            break
        wrong |= bits[i]
    if wrong == 0:
        return NO_REASON
    reason = PRICE_NOT_FINITE
    while not wrong & 1:
        wrong >>= 1
        reason += 1
    return reason


@nb.njit
def _first_row(ts, first, end, after_ms, wait_ms):  # type: ignore[no-untyped-def]
    row = _rows_until(ts, first, end, after_ms + 1)
    return -1 if row == end or ts[row] - after_ms > wait_ms else row


@nb.njit
def _coverage_end_ms(start_us, end_us, first, end, instant_ms):  # type: ignore[no-untyped-def]
    """End of the first span that holds the instant, or `_UNKNOWN`."""
    for i in range(first, end):
        if start_us[i] <= instant_ms * 1_000 < end_us[i]:
            return end_us[i] // 1_000
    return _UNKNOWN


@nb.njit
def _entry(ts, open_, low, row, end, limit_pct, ttl_ms):  # type: ignore[no-untyped-def]
    """Row of the fill (-1: none), end of the rows looked at, raw price, whether inside the candle."""
    if np.isnan(limit_pct):
        return row, row + 1, open_[row], False
    limit = open_[row] * (1.0 - limit_pct)
    stop = _rows_until(ts, row, end, ts[row] + ttl_ms)
    for i in range(row, stop):
        if open_[i] <= limit:
            return i, i + 1, open_[i], False
        if low[i] <= limit:
            return i, i + 1, limit, True
    return -1, stop, _NO_PRICE, False


@nb.njit(
    (
        *(_I8, _I8, _F8, _F8, _F8, _I8, _I8, _I8, _I8, _I1, _I8, _U1, _I8, _I8),
        *(nb.int64, nb.float64, nb.float64, nb.int64, _I8, nb.boolean),
        *(nb.int64[::1], nb.int64[::1], nb.int64[::1], nb.float64[::1], nb.uint8[::1], nb.int64[::1]),
        *(nb.int8[:, ::1], nb.int8[:, ::1], nb.int32[:, ::1], nb.float64[:, ::1], nb.int64[:, ::1], nb.int8[:, ::1]),
    ),
    cache=True,
)
def _find_positions(  # type: ignore[no-untyped-def]
    offsets, ts, open_, low, close, interval_ms, span_offsets, span_start_us, span_end_us,
    series_fault, fault_rows, fault_bits, series_index, tradable_from_ms,
    delay_ms, wait_ms, limit_pct, ttl_ms, hold_ms, is_dead_worthless,
    first_row, end_row, entry_ts_ms, raw_price, is_intrabar, interval_of,
    status, reason, end_k, forced_price, forced_ts_ms, forced_reason,
):  # fmt: skip
    holds = len(hold_ms)
    for c in range(len(series_index)):
        series = series_index[c]
        first_row[c], end_row[c], entry_ts_ms[c], raw_price[c], is_intrabar[c] = -1, -1, 0, _NO_PRICE, 0
        interval = interval_ms[series] if series >= 0 else 1
        interval_of[c] = interval
        the_status, the_reason, row, inside, known_ms, last = NO_ENTRY, NO_CANDLE_SERIES, -1, False, 0, 0
        if series >= 0 and series_fault[series] != NO_REASON:
            the_status, the_reason = BAD_DATA, series_fault[series]
        elif series >= 0:
            first, last = offsets[series], offsets[series + 1]
            after_ms = tradable_from_ms[c] + delay_ms
            start = _first_row(ts, first, last, after_ms, wait_ms)
            the_reason = NO_CANDLE
            if start >= 0:
                known_ms = _coverage_end_ms(
                    span_start_us, span_end_us, span_offsets[series], span_offsets[series + 1], ts[start]
                )
                if known_ms == _UNKNOWN:
                    known_ms = ts[last - 1] + interval
                else:
                    last = _rows_until(ts, first, last, known_ms - interval + 1)
                if start < last:
                    row, stop, price, inside = _entry(ts, open_, low, start, last, limit_pct, ttl_ms)
                    fault = _fault_reason(fault_rows, fault_bits, start, stop)
                    the_reason = LIMIT_NOT_FILLED
                    if fault != NO_REASON:
                        the_status, the_reason, row = BAD_DATA, fault, -1
        if row < 0:
            for h in range(holds):
                status[h, c], reason[h, c], end_k[h, c] = the_status, the_reason, 0
                forced_price[h, c], forced_ts_ms[h, c], forced_reason[h, c] = _NO_PRICE, 0, -1
            continue
        first_row[c], entry_ts_ms[c], raw_price[c], is_intrabar[c] = row, ts[row], price, inside
        end = row
        for h in range(holds):
            deadline = ts[row] + hold_ms[h]
            end = _deadline_row(ts, row, last, deadline, interval)
            end_k[h, c] = (hold_ms[h] + interval - 1) // interval
            fault = _fault_reason(fault_rows, fault_bits, row, end)
            status[h, c], reason[h, c] = CLOSED, NO_REASON
            last_close = close[end - 1]
            if fault != NO_REASON:
                status[h, c], reason[h, c] = BAD_DATA, fault
                forced_price[h, c], forced_ts_ms[h, c], forced_reason[h, c] = _NO_PRICE, 0, -1
            elif known_ms >= deadline:
                forced_price[h, c], forced_ts_ms[h, c], forced_reason[h, c] = last_close, deadline, TIME_EXIT
            else:
                forced_price[h, c] = 0.0 if is_dead_worthless else last_close
                forced_ts_ms[h, c], forced_reason[h, c] = ts[end - 1] + interval, END_OF_DATA
        i = _rows_until(fault_rows, 0, len(fault_rows), row)
        end_row[c] = min(end, fault_rows[i]) if i < len(fault_rows) else end
