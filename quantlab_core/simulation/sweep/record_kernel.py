"""The records of many calls, written down in one pass over their candles.

Everything that is compiled into `write_records` stands in this file. Loads numba, so import it only to run something.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from quantlab_core.simulation.sweep.touch_types import PEAK_RECORD, RECORD

_F8 = nb.types.Array(nb.float64, 1, "C", readonly=True)
_I8 = nb.types.Array(nb.int64, 1, "C", readonly=True)
_U1 = nb.types.Array(nb.uint8, 1, "C", readonly=True)
_RECORDS_OUT = (nb.int64[::1], nb.float64[::1], nb.from_dtype(RECORD)[::1])
_PEAKS_OUT = (nb.int64[::1], nb.float64[::1], nb.from_dtype(PEAK_RECORD)[::1])
_BLOCK = 16


@nb.njit(fastmath={"nnan", "nsz"}, error_model="numpy")
def _extremes(high, low, row):  # type: ignore[no-untyped-def]
    """Highest high and lowest low of the block at ``row``. Only comparisons, so the flags cost no exactness."""
    highs, lows = high[row : row + _BLOCK], low[row : row + _BLOCK]
    top, bottom = highs[0], lows[0]
    for i in range(_BLOCK):
        top, bottom = max(top, highs[i]), min(bottom, lows[i])
    return top, bottom


@nb.njit(error_model="numpy")
def _note(records, at, value, opened, k, row):  # type: ignore[no-untyped-def]
    values, others = records
    values[at], others[at].open, others[at].k, others[at].row = value, opened, k, row


@nb.njit(
    (
        *(_I8, _F8, _F8, _F8, _F8, _I8, _I8, _F8, _U1, _I8, nb.int64),
        *(*_RECORDS_OUT, *_RECORDS_OUT, *_PEAKS_OUT),
    ),
    cache=True,
    error_model="numpy",
)
def write_records(  # type: ignore[no-untyped-def]
    ts, open_, high, low, close, first_row, end_row, raw_price, is_intrabar, interval_ms, call,
    low_offsets, low_value, low_record, high_offsets, high_value, high_record, ratio_offsets, ratio_value, ratio_record,
):  # fmt: skip
    """Write records from call ``call`` on; the first call that was not written, because one of them might not fit.

    Of a candle bought inside the close counts as high, and there is no open to be sold at.
    """
    lows, highs, ratios = (low_value, low_record), (high_value, high_record), (ratio_value, ratio_record)
    for c in range(call, len(first_row)):
        first, end = first_row[c], end_row[c]
        n_low, n_high, n_ratio = low_offsets[c], high_offsets[c], ratio_offsets[c]
        if first >= 0:
            room = end - first
            if n_low + room > len(low_value) or n_high + room > len(high_value) or n_ratio + room > len(ratio_value):
                return c
            peak, highest, lowest, smallest, row = raw_price[c], 0.0, np.inf, np.inf, first
            while row < end:
                stop = min(row + _BLOCK, end)
                if stop - row == _BLOCK and row > first:
                    top, bottom = _extremes(high, low, row)
                    if top <= highest and bottom >= lowest and bottom / peak >= smallest:
                        row = stop
                        continue
                for i in range(row, stop):
                    is_inside = i == first and is_intrabar[c] != 0
                    top = close[i] if is_inside else high[i]
                    opened = np.inf if is_inside else open_[i]
                    ratio = low[i] / peak
                    if low[i] < lowest or ratio < smallest or top > highest:
                        k = (ts[i] - ts[first]) // interval_ms[c]
                        if low[i] < lowest:
                            lowest = low[i]
                            _note(lows, n_low, lowest, opened, k, i - first)
                            n_low += 1
                        if ratio < smallest:
                            smallest = ratio
                            ratio_record[n_ratio].peak = peak
                            _note(ratios, n_ratio, ratio, opened, k, i - first)
                            n_ratio += 1
                        if top > highest:
                            highest = top
                            peak = max(peak, top)
                            _note(highs, n_high, top, opened, k, i - first)
                            n_high += 1
                row = stop
        low_offsets[c + 1], high_offsets[c + 1], ratio_offsets[c + 1] = n_low, n_high, n_ratio
    return len(first_row)
