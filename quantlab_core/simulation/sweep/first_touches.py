"""When each threshold of a sweep is first touched, for many calls: from the candles, or from their records.

Everything that is compiled into one of these functions stands in this file: the cache of compiled code is renewed when
the file of the function that is called changes, and never for another file. Levels are the reference's own expressions
(E * factor, peak * factor), so that a tie falls as it falls there. Loads numba, so import it only to run something.

Rows are rows of the pack, ``k`` is the number of intervals from the entry candle's open. The stops of a table are, in
this order: fixed levels, trailing stops that live from the entry, levels that wait for an arm, trailing stops that
wait for an arm. An arm is a high that must have been touched by a completed candle.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from quantlab_core.simulation.sweep.memory_fetch import fetch
from quantlab_core.simulation.sweep.touch_types import CANDLES, POSITIONS, RECORDS, TABLE, THRESHOLDS

TILE = 256
"""Calls in a tile of the tables; see `exit_pricing`."""

BLOCK = 16
"""Candles that are looked at as one, by their highest high and lowest low."""

FEW = 16
"""As many records are gone through rather than searched: the next threshold is mostly a few records on."""

CERTAIN = 1e-15
"""Two products of the same three numbers, rounded in another order, are closer to each other than this share."""

AHEAD = 6
"""So many calls ahead their records are asked for: memory takes that long to answer."""


@nb.njit(error_model="numpy")
def fetch_records(values, offsets, call):  # type: ignore[no-untyped-def]
    """Ask for the first records of ``call``; what follows comes by itself."""
    for at in range(offsets[call], min(offsets[call + 1], offsets[call] + 40), 8):
        fetch(values, at)


@nb.njit(fastmath={"nnan", "nsz"})
def extremes(high, low, row):  # type: ignore[no-untyped-def]
    """Highest high and lowest low of the block at ``row``. Only comparisons, so the flags cost no exactness."""
    highs, lows = high[row : row + BLOCK], low[row : row + BLOCK]
    top, bottom = highs[0], lows[0]
    for i in range(BLOCK):
        top, bottom = max(top, highs[i]), min(bottom, lows[i])
    return top, bottom


@nb.njit(error_model="numpy")
def first_low(high, low, row, end, level):  # type: ignore[no-untyped-def]
    """First row of [row, end) whose low is at or below ``level``, or -1."""
    while row < end:
        stop = min(row + BLOCK, end)
        if stop - row < BLOCK or extremes(high, low, row)[1] <= level:
            for i in range(row, stop):
                if low[i] <= level:
                    return i
        row = stop
    return -1


@nb.njit(error_model="numpy")
def first_high(high, low, row, end, level):  # type: ignore[no-untyped-def]
    """First row of [row, end) whose high is at or above ``level``, or -1."""
    while row < end:
        stop = min(row + BLOCK, end)
        if stop - row < BLOCK or extremes(high, low, row)[0] >= level:
            for i in range(row, stop):
                if high[i] >= level:
                    return i
        row = stop
    return -1


@nb.njit(error_model="numpy")
def first_trail(high, low, row, end, peak, factor):  # type: ignore[no-untyped-def]
    """First row of [row, end) whose low is at or below peak * factor, and the peak of the candles before it; or -1."""
    while row < end:
        stop = min(row + BLOCK, end)
        if stop - row == BLOCK:
            top, bottom = extremes(high, low, row)
            if bottom > max(peak, top) * factor:
                peak = max(peak, top)
                row = stop
                continue
        for i in range(row, stop):
            if low[i] <= peak * factor:
                return i, peak
            peak = max(peak, high[i])
        row = stop
    return -1, peak


@nb.njit(error_model="numpy")
def put(table, q, c, row, level):  # type: ignore[no-untyped-def]
    """Note that threshold ``q`` of call ``c`` is touched at ``row``; `complete` says when that is and at what open."""
    tile, c = c // TILE, c % TILE
    table[tile, q, c] = -1.0 - row
    table[tile, q, TILE + c] = level


@nb.njit(error_model="numpy")
def clear(stops, targets):  # type: ignore[no-untyped-def]
    """No touches yet."""
    for tile in range(len(stops)):
        for q in range(stops.shape[1]):
            stops[tile, q, :TILE] = np.inf
        for q in range(targets.shape[1]):
            targets[tile, q, :TILE] = np.inf
            targets[tile, q, TILE:] = 0.0


@nb.njit(error_model="numpy")
def complete(stops, targets, tile, first_row, is_intrabar, interval_ms, needs_path, ts, open_, high, low):  # type: ignore[no-untyped-def]
    """Look up times and opens of the touches of a tile: together, since none of these look-ups waits for another.

    A candle bought inside has no open to be sold at.
    """
    calls = min(TILE, len(first_row) - tile * TILE)
    for q in range(stops.shape[1]):
        stop = stops[tile, q]
        for c in range(calls):
            if stop[c] < 0.0:
                row, first = np.int64(-1.0 - stop[c]), first_row[tile * TILE + c]
                stop[c] = (ts[row] - ts[first]) / interval_ms[tile * TILE + c]
                stop[2 * TILE + c] = np.inf if row == first and is_intrabar[tile * TILE + c] else open_[row]
                if needs_path:
                    stop[3 * TILE + c] = high[row] - open_[row] < open_[row] - low[row]
    for q in range(targets.shape[1]):
        target = targets[tile, q]
        for c in range(calls):
            if target[c] < 0.0:
                row, level = np.int64(-1.0 - target[c]), target[TILE + c]
                is_at_open = open_[row] >= level
                k = (ts[row] - ts[first_row[tile * TILE + c]]) / interval_ms[tile * TILE + c]
                target[c] = 2.0 * k if is_at_open else 2.0 * k + 1.0
                target[TILE + c] = open_[row] if is_at_open else level


@nb.njit(error_model="numpy")
def put_armed_stops(stops, c, end, arm_row, price, first_peak, first, high, low, thresholds):  # type: ignore[no-untyped-def]
    """The stops of call ``c`` that wait for an arm: from the candle after the one at ``arm_row`` (-1: never).

    ``first_peak`` is what the entry candle at ``first`` counts as high.
    """
    low_factor, trail_factor, armed_low_arm, armed_low_factor, armed_trail_arm, armed_trail_factor = thresholds
    q = len(low_factor) + len(trail_factor)
    for i in range(len(armed_low_arm)):
        arm = arm_row[armed_low_arm[i]]
        if arm >= 0:
            level = price * armed_low_factor[i]
            row = first_low(high, low, arm + 1, end, level)
            if row >= 0:
                put(stops, q + i, c, row, level)
    q += len(armed_low_arm)
    for i in range(len(armed_trail_arm)):
        arm = arm_row[armed_trail_arm[i]]
        if arm >= 0:
            peak, factor = max(price, first_peak if arm == first else high[arm]), armed_trail_factor[i]
            row, peak = first_trail(high, low, arm + 1, end, peak, factor)
            if row >= 0:
                put(stops, q + i, c, row, peak * factor)


@nb.njit(
    (*CANDLES, *POSITIONS, nb.float64, *THRESHOLDS, nb.int64, nb.boolean, TABLE, TABLE), cache=True, error_model="numpy"
)
def touches_from_candles(  # type: ignore[no-untyped-def]
    ts, open_, high, low, close,
    first_row, end_row, raw_price, is_intrabar, interval_ms,
    slippage_factor,
    low_factor, trail_factor, target_factor, arm_factor,
    armed_low_arm, armed_low_factor, armed_trail_arm, armed_trail_factor,
    ended_by, needs_path,
    stops, targets,
):  # fmt: skip
    """One pass over each call's candles [first_row, end_row) for all thresholds at once (first_row -1: no position).

    ``low_factor`` and ``trail_factor`` descend, ``target_factor`` and ``arm_factor`` ascend. ``ended_by`` as in
    `Thresholds`; ``needs_path`` asks for the column of `stops` that only the policy ``ohlc_path`` reads.
    """
    clear(stops, targets)
    n_low, n_trail, n_target, n_arm = len(low_factor), len(trail_factor), len(target_factor), len(arm_factor)
    armed = (low_factor, trail_factor, armed_low_arm, armed_low_factor, armed_trail_arm, armed_trail_factor)
    arm_row = np.empty(n_arm, dtype=np.int64)
    for c in range(len(first_row)):
        first, end = first_row[c], end_row[c]
        if first >= 0:
            price = raw_price[c] * slippage_factor
            arm_row[:] = -1
            p_low = p_trail = p_target = p_arm = 0
            next_low = price * low_factor[0] if n_low else 0.0
            trail = trail_factor[0] if n_trail else 0.0
            next_target = price * target_factor[0] if n_target else np.inf
            next_arm = price * arm_factor[0] if n_arm else np.inf
            first_peak = close[first] if is_intrabar[c] else high[first]
            peak, row, is_over = price, first, False
            while row < end and not is_over:
                stop = min(row + BLOCK, end)
                if stop - row == BLOCK and not (is_intrabar[c] and row == first):
                    top, bottom = extremes(high, low, row)
                    highest = max(peak, top)
                    if bottom > max(next_low, highest * trail) and top < min(next_target, next_arm):
                        peak = highest
                        row = stop
                        continue
                lowest_stop = max(next_low, peak * trail)
                while row < stop:
                    bottom, top = low[row], high[row]
                    if bottom <= lowest_stop:
                        while bottom <= next_low:
                            put(stops, p_low, c, row, next_low)
                            p_low += 1
                            next_low = price * low_factor[p_low] if p_low < n_low else 0.0
                        while bottom <= peak * trail:
                            put(stops, n_low + p_trail, c, row, peak * trail)
                            p_trail += 1
                            trail = trail_factor[p_trail] if p_trail < n_trail else 0.0
                        lowest_stop = max(next_low, peak * trail)
                        is_over = (ended_by & 1 and p_low == n_low) or (ended_by & 2 and p_trail == n_trail)
                    if row == first:
                        top = first_peak
                    while top >= next_target and not (row == first and is_intrabar[c]):
                        put(targets, p_target, c, row, next_target)
                        p_target += 1
                        next_target = price * target_factor[p_target] if p_target < n_target else np.inf
                    while top >= next_arm:
                        arm_row[p_arm] = row
                        p_arm += 1
                        next_arm = price * arm_factor[p_arm] if p_arm < n_arm else np.inf
                    if top > peak:
                        peak = top
                        lowest_stop = max(next_low, peak * trail)
                    row += 1
                    if is_over:
                        break
            put_armed_stops(stops, c, row, arm_row, price, first_peak, first, high, low, armed)
        if c % TILE == TILE - 1 or c == len(first_row) - 1:
            complete(stops, targets, c // TILE, first_row, is_intrabar, interval_ms, needs_path, ts, open_, high, low)


@nb.njit(error_model="numpy")
def first_at_most(values, start, end, bound):  # type: ignore[no-untyped-def]
    """First of values[start:end], which descend, that is at or below ``bound``; ``end`` when none is."""
    while end - start > FEW:
        middle = (start + end) >> 1
        start, end = (start, middle) if values[middle] <= bound else (middle + 1, end)
    while start < end and values[start] > bound:
        start += 1
    return start


@nb.njit(error_model="numpy")
def first_at_least(values, start, end, bound):  # type: ignore[no-untyped-def]
    """First of values[start:end], which ascend, that is at or above ``bound``; ``end`` when none is."""
    while end - start > FEW:
        middle = (start + end) >> 1
        start, end = (start, middle) if values[middle] >= bound else (middle + 1, end)
    while start < end and values[start] < bound:
        start += 1
    return start


@nb.njit(error_model="numpy")
def look_up(stops, targets, tile, positions, factors, records, needs_path, candles):  # type: ignore[no-untyped-def]
    """Turn records that were found into touches: together, since none of these look-ups waits for another."""
    first_row, end_row, raw_price, is_intrabar, slippage_factor = positions
    n_low, trail_factor = factors
    low_record, high_record, ratio = records
    high, low, close = candles
    calls = min(TILE, len(first_row) - tile * TILE)
    for q in range(n_low):
        stop = stops[tile, q]
        for c in range(calls):
            if stop[c] < 0.0:
                record = low_record[np.int64(-1.0 - stop[c])]
                stop[c], stop[2 * TILE + c] = record.k, record.open
                if needs_path:
                    stop[c] = -1.0 - (first_row[tile * TILE + c] + record.row)
    for i in range(len(trail_factor)):
        stop, factor = stops[tile, n_low + i], trail_factor[i]
        for c in range(calls):
            at, at_low = np.int64(stop[TILE + c]), np.int64(stop[2 * TILE + c])
            if stop[c] == np.inf or (at < 0 and at_low < 0):
                continue
            call = tile * TILE + c
            first, end, price = first_row[call], end_row[call], raw_price[call] * slippage_factor
            row, peak, is_record = end, price, False
            if at >= 0:
                record = ratio[1][at]
                row, peak, k, opened, is_record = first + record.row, record.peak, record.k, record.open, True
                if ratio[0][at] > factor * (1.0 - CERTAIN) and low[row] > peak * factor:
                    peak = max(peak, close[row] if row == first and is_intrabar[call] else high[row])
                    row, peak = first_trail(high, low, row + 1, end, peak, factor)
                    row, is_record = end if row < 0 else row, False
            if at_low >= 0 and first + low_record[at_low].row < row:
                floor = low_record[at_low]
                row, peak, k, opened, is_record = first + floor.row, price, floor.k, floor.open, True
            stop[c] = -1.0 - row if row < end else np.inf
            stop[TILE + c] = max(price, peak) * factor
            if is_record and not needs_path:
                stop[c], stop[2 * TILE + c] = k, opened
    for q in range(targets.shape[1]):
        target = targets[tile, q]
        for c in range(calls):
            if target[c] < 0.0 and target[TILE + c] > 0.0:
                record, level = high_record[np.int64(-1.0 - target[c])], target[TILE + c]
                is_at_open = record.open >= level
                target[c] = 2.0 * record.k if is_at_open else 2.0 * record.k + 1.0
                target[TILE + c] = record.open if is_at_open else level
            elif target[c] < 0.0:  # a row of the pack, for `complete`
                target[TILE + c] = -target[TILE + c]


@nb.njit(
    (*CANDLES, *POSITIONS, nb.float64, *THRESHOLDS, nb.boolean, *RECORDS, TABLE, TABLE), cache=True, error_model="numpy"
)
def touches_from_records(  # type: ignore[no-untyped-def]
    ts, open_, high, low, close,
    first_row, end_row, raw_price, is_intrabar, interval_ms,
    slippage_factor,
    low_factor, trail_factor, target_factor, arm_factor,
    armed_low_arm, armed_low_factor, armed_trail_arm, armed_trail_factor,
    needs_path,
    low_offsets, low_value, low_record, high_offsets, high_value, high_record,
    ratio_offsets, ratio_value, ratio_record,
    stops, targets,
):  # fmt: skip
    """The same tables as `touches_from_candles`, from records (see `RecordIndex`); candles decide what is too close.

    A trailing stop is touched where the low is at or below the price paid * factor, or the peak before * factor; the
    peaks of the records begin at the raw price. The ratio of low and peak decides, unless it is so near to the factor
    that only the product says on which side it falls.
    """
    clear(stops, targets)
    n_low = len(low_factor)
    armed = (low_factor, trail_factor, armed_low_arm, armed_low_factor, armed_trail_arm, armed_trail_factor)
    positions = (first_row, end_row, raw_price, is_intrabar, slippage_factor)
    records, candles = (low_record, high_record, (ratio_value, ratio_record)), (high, low, close)
    arm_row = np.empty(len(arm_factor), dtype=np.int64)
    for c in range(len(first_row)):
        if c + AHEAD < len(first_row):
            fetch_records(low_value, low_offsets, c + AHEAD)
            fetch_records(ratio_value, ratio_offsets, c + AHEAD)
            fetch_records(high_value, high_offsets, c + AHEAD)
        first, end = first_row[c], end_row[c]
        if first >= 0:
            price = raw_price[c] * slippage_factor
            tile, lane = c // TILE, c % TILE
            at, last = low_offsets[c], low_offsets[c + 1]
            for i in range(n_low):
                at = first_at_most(low_value, at, last, price * low_factor[i])
                if at == last:
                    break
                put(stops, i, c, at, price * low_factor[i])
                fetch(low_record, at)
            at, last, at_low, last_low = ratio_offsets[c], ratio_offsets[c + 1], low_offsets[c], low_offsets[c + 1]
            for i in range(len(trail_factor)):
                at = first_at_most(ratio_value, at, last, trail_factor[i] * (1.0 + CERTAIN))
                if slippage_factor > 1.0:
                    at_low = first_at_most(low_value, at_low, last_low, price * trail_factor[i])
                has_low = slippage_factor > 1.0 and at_low < last_low
                if at < last:
                    fetch(ratio_record, at)
                if has_low:
                    fetch(low_record, at_low)
                stops[tile, n_low + i, lane] = 0.0
                stops[tile, n_low + i, TILE + lane] = at if at < last else -1.0
                stops[tile, n_low + i, 2 * TILE + lane] = at_low if has_low else -1.0
                if at == last and not has_low:
                    stops[tile, n_low + i, lane] = np.inf
            at, last = high_offsets[c], high_offsets[c + 1]
            for i in range(len(target_factor)):
                level = price * target_factor[i]
                at = first_at_least(high_value, at, last, level)
                if at == last:
                    break
                put(targets, i, c, at, level)
                fetch(high_record, at)
                if at == high_offsets[c] and is_intrabar[c]:  # its close is a record, but reaches no target
                    row = first_high(high, low, first + 1, end, level)
                    put(targets, i, c, row, -level)
                    if row < 0:
                        targets[tile, i, lane], targets[tile, i, TILE + lane] = np.inf, 0.0
            at = high_offsets[c]
            for i in range(len(arm_factor)):
                at = first_at_least(high_value, at, last, price * arm_factor[i])
                arm_row[i] = first + high_record[at].row if at < last else -1
            if len(arm_row):
                first_peak = close[first] if is_intrabar[c] else high[first]
                put_armed_stops(stops, c, end, arm_row, price, first_peak, first, high, low, armed)
        if c % TILE == TILE - 1 or c == len(first_row) - 1:
            look_up(stops, targets, c // TILE, positions, (n_low, trail_factor), records, needs_path, candles)
            complete(stops, targets, c // TILE, first_row, is_intrabar, interval_ms, needs_path, ts, open_, high, low)
