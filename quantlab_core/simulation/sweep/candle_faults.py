"""Rule C1 for a whole pack, found once: which series and which rows an engine must not trade on.

Loads numba, so import it only to run something.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.simulation.outcome_codes import NO_REASON, TS_NOT_ASCENDING, TS_OFF_GRID

NOT_FINITE, NOT_POSITIVE, LOW_ABOVE_BIT, HIGH_BELOW_BIT = 1, 2, 4, 8
"""What is wrong with a row's prices; the lowest bit is the first rule that the reference looks at."""

_F8 = nb.types.Array(nb.float64, 1, "C", readonly=True)
_I8 = nb.types.Array(nb.int64, 1, "C", readonly=True)
_BLOCK = 16


@dataclass(frozen=True, slots=True, eq=False)
class CandleFaults:
    """``series_reason`` (codes of `REASONS`) says what is wrong with a series' times, 0 is nothing.

    ``rows`` are the pack's rows with bad prices, ascending; ``bits`` say what is wrong with each.
    """

    series_reason: npt.NDArray[np.int8]
    rows: npt.NDArray[np.int64]
    bits: npt.NDArray[np.uint8]


def candle_faults(pack: CandlePack) -> CandleFaults:
    """What breaks rule C1 in ``pack``. One pass over all its columns: keep the answer for as long as the pack."""
    series_reason = np.zeros(len(pack), dtype=np.int8)
    _find_time_faults(pack.offsets, pack.ts_ms, pack.interval_ms, series_reason)
    prices = pack.open, pack.high, pack.low, pack.close
    rows = np.empty(_find_price_faults(*prices, np.empty(0, np.int64), np.empty(0, np.uint8)), dtype=np.int64)
    bits = np.empty(len(rows), dtype=np.uint8)
    if len(rows):
        _find_price_faults(*prices, rows, bits)
    return CandleFaults(series_reason, rows, bits)


@nb.njit((_I8, _I8, _I8, nb.int8[::1]), cache=True)
def _find_time_faults(offsets, ts, interval_ms, series_reason):  # type: ignore[no-untyped-def]
    for series in range(len(interval_ms)):
        first, end, interval = offsets[series], offsets[series + 1], interval_ms[series]
        is_off_grid = end > first and ts[first] % interval != 0
        is_ascending = True
        for row in range(first + 1, end):
            step = ts[row] - ts[row - 1]
            if step != interval:
                is_ascending &= step > 0
                is_off_grid |= step % interval != 0
        series_reason[series] = NO_REASON if is_ascending else TS_NOT_ASCENDING
        if is_ascending and is_off_grid:
            series_reason[series] = TS_OFF_GRID


@nb.njit((_F8, _F8, _F8, _F8, nb.int64[::1], nb.uint8[::1]), cache=True)
def _find_price_faults(open_, high, low, close, rows, bits):  # type: ignore[no-untyped-def]
    """The number of bad rows; they are written where ``rows`` and ``bits`` have room."""
    found = 0
    for begin in range(0, len(open_), _BLOCK):
        end = min(begin + _BLOCK, len(open_))
        good = 0
        for row in range(begin, end):  # NaN fails every comparison, an infinite open or close is above the high
            o, h, b, c = open_[row], high[row], low[row], close[row]
            good += (b > 0) & (b <= o) & (b <= c) & (h >= o) & (h >= c) & (h < np.inf)
        if good == end - begin:
            continue
        for row in range(begin, end):
            o, h, b, c = open_[row], high[row], low[row], close[row]
            wrong = 0 if np.isfinite(o) and np.isfinite(h) and np.isfinite(b) and np.isfinite(c) else NOT_FINITE
            wrong |= NOT_POSITIVE if b <= 0 else 0
            wrong |= LOW_ABOVE_BIT if b > o or b > c else 0
            wrong |= HIGH_BELOW_BIT if h < o or h < c else 0
            if wrong:
                if found < len(rows):
                    rows[found], bits[found] = row, wrong
                found += 1
    return found
