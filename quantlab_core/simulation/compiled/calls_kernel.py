"""Rules C1 to C9 over all calls of an experiment, compiled: `simulate`, expression by expression.

Everything that is compiled into `simulate_rows` stands in this file: the cache of compiled code is renewed when the
file of the function that is called changes, and never for another file. Nothing may be summed in another order or
fused: results have the reference's bits. Loads numba, so import it only to run something.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from quantlab_core.simulation.outcome_codes import (
    BAD_DATA,
    BREAKEVEN_STOP,
    CLOSED,
    END_OF_DATA,
    HIGH_BELOW,
    LIMIT_NOT_FILLED,
    LOW_ABOVE,
    NO_CANDLE,
    NO_CANDLE_SERIES,
    NO_ENTRY,
    NO_REASON,
    PRICE_NOT_FINITE,
    PRICE_NOT_POSITIVE,
    STEP_STOP,
    STOP_LOSS,
    TAKE_PROFIT,
    TIME_EXIT,
    TRAILING_STOP,
    TS_NOT_ASCENDING,
    TS_OFF_GRID,
)
from quantlab_core.simulation.strategy import FRACTION_TOLERANCE

STOP_FIRST, TARGET_FIRST, OHLC_PATH = range(3)
"""Codes of the intrabar policies."""

STRATEGY_NUMBER = np.dtype(
    [
        ("delay_ms", np.int64),
        ("wait_ms", np.float64),
        ("limit_pct", np.float64),  # NaN: bought at the open
        ("limit_ttl_ms", np.int64),
        ("hold_ms", np.int64),
        ("stop_loss", np.float64),  # NaN: none
        ("trailing_stop", np.float64),  # NaN: none
        ("trailing_activation", np.float64),
        ("intrabar", np.int64),
        ("fee", np.float64),
        ("slippage", np.float64),
        ("stake", np.float64),
        ("is_dead_worthless", np.int64),
    ]
)
"""A strategy in numbers, beside its ladder and its steps."""

WHOLE_OUT = (
    *("entry_ts_ms", "entry_fill_ts_ms", "exit_ts_ms", "exit_reason", "n_exits", "is_ambiguous", "is_censored"),
    *("candles_used", "missing_candles"),
)
FLOATS_OUT = (
    *("duration_s", "entry_raw_price", "entry_price", "avg_exit_raw_price", "avg_exit_price", "size", "stake"),
    *("entry_fees", "exit_fees", "slippage_cost", "gross_return", "net_return", "pnl", "mfe", "mae"),
    *("return_pessimistic", "return_optimistic", "stale_exit_s", "ath_multiple", "time_to_2x_s", "time_to_3x_s"),
    *("time_to_5x_s", "time_to_10x_s", "dd_before_2x", "path_max_drawdown", "ret_end"),
)
"""Columns of a position in the order in which the kernel writes them."""

(_ENTRY, _FILL, _EXIT, _REASON, _EXITS, _AMBIGUOUS, _CENSORED, _USED, _MISSING) = range(len(WHOLE_OUT))
(
    _DURATION, _RAW, _PRICE, _AVG_RAW, _AVG_PRICE, _SIZE, _STAKE, _ENTRY_FEES, _EXIT_FEES, _SLIPPAGE, _GROSS, _NET,
    _PNL, _MFE, _MAE, _PESSIMISTIC, _OPTIMISTIC, _STALE, _ATH, _TO_2X, _TO_3X, _TO_5X, _TO_10X, _DD_2X, _PATH_DD,
    _RET_END,
) = range(len(FLOATS_OUT))  # fmt: skip

LEG_WHOLE = ("ts_ms", "candle_ts_ms", "reason")
LEG_FLOATS = ("fraction", "raw_price", "price", "quantity", "fee")
"""Columns of an exit leg; the reference's `Sale` is the first two floats and all whole numbers."""

_whole_in = nb.types.Array(nb.int64, 1, "C", readonly=True)
_floats_in = nb.types.Array(nb.float64, 1, "C", readonly=True)
_strategy_in = nb.types.Array(nb.from_dtype(STRATEGY_NUMBER), 1, "C", readonly=True)
_SIGNATURE = nb.int64(
    *(_whole_in, _whole_in, _floats_in, _floats_in, _floats_in, _floats_in, _whole_in, _whole_in, _whole_in, _whole_in),
    *(_whole_in, _whole_in, _strategy_in, _floats_in, _floats_in, _floats_in, _floats_in),
    *(nb.int8[::1], nb.int8[::1], nb.int64[:, ::1], nb.float64[:, ::1], nb.int64[:, ::1], nb.float64[:, ::1]),
)


@nb.njit(inline="always")
def _rows_until(times, start, end, instant):  # type: ignore[no-untyped-def]
    """First row of [start, end) whose time is not before ``instant``; ``end`` when there is none."""
    while start < end:
        middle = (start + end) // 2
        if times[middle] < instant:
            start = middle + 1
        else:
            end = middle
    return start


@nb.njit
def _times_violation(times, first, end, interval_ms):  # type: ignore[no-untyped-def]
    is_off_grid = end > first and times[first] % interval_ms != 0
    for row in range(first + 1, end):
        step = times[row] - times[row - 1]
        if step <= 0:
            return TS_NOT_ASCENDING
        if step != interval_ms and step % interval_ms != 0:
            is_off_grid = True
    return TS_OFF_GRID if is_off_grid else NO_REASON


@nb.njit
def _prices_violation(opens, highs, lows, closes, first, end):  # type: ignore[no-untyped-def]
    is_infinite = is_zero = is_low_above = is_high_below = False
    for row in range(first, end):
        open_, high, low, close = opens[row], highs[row], lows[row], closes[row]
        # x - x is 0 for a finite number and NaN for all others
        is_infinite |= (open_ - open_) + (high - high) + (low - low) + (close - close) != 0.0
        is_zero |= low <= 0
        is_low_above |= (low > open_) | (low > close)
        is_high_below |= (high < open_) | (high < close)
    if is_infinite:
        return PRICE_NOT_FINITE
    if is_zero:
        return PRICE_NOT_POSITIVE
    if is_low_above:
        return LOW_ABOVE
    return HIGH_BELOW if is_high_below else NO_REASON


@nb.njit
def _first_row_after_alert(times, first, end, t_ok_ms, wait_ms):  # type: ignore[no-untyped-def]
    """Row of the first candle that opens strictly after ``t_ok_ms``, or -1 when none opens soon enough."""
    row = _rows_until(times, first, end, t_ok_ms + 1)
    if row == end or times[row] - t_ok_ms > wait_ms:
        return -1
    return row


@nb.njit
def _limit_fill(times, opens, lows, first, end, limit, expires_ms):  # type: ignore[no-untyped-def]
    """(row after the last one looked at, row of the fill or -1, price, whether it lies inside the candle)."""
    end = _rows_until(times, first, end, expires_ms)
    for row in range(first, end):
        if opens[row] <= limit:
            return row + 1, row, opens[row], False
        if lows[row] <= limit:
            return row + 1, row, limit, True
    return end, -1, 0.0, False


@nb.njit
def _hold(  # type: ignore[no-untyped-def]
    times, opens, highs, lows, closes, first, end, interval_ms, raw_price, is_intrabar, policy,
    stop_loss, trailing_stop, activation, slippage, gains, fractions, triggers, levels, is_armed,
    forced_reason, forced_ts_ms, forced_price, sale_whole, sale_floats,
):  # fmt: skip
    """Rules C3 to C5: (sales, highest, lowest, ambiguous, candles used); the sales are written to ``sale_*``."""
    entry_price = raw_price * (1.0 + slippage)
    n_targets, n_steps = len(gains), len(triggers)
    next_target, n_sales = 0, 0
    left = 1.0
    highest = lowest = raw_price
    is_ambiguous = False
    # what stop levels are made of: the highest fixed one, and the peak that the trailing stop follows
    fixed, fixed_reason = -math.inf, -1
    if not math.isnan(stop_loss):
        fixed, fixed_reason = entry_price * (1.0 - stop_loss), STOP_LOSS
    peak = 0.0
    has_trailing = not math.isnan(trailing_stop)
    is_trailing = activation == 0.0
    activation_price = entry_price * (1.0 + activation)
    is_armed[:] = False
    level, level_reason = fixed, fixed_reason
    if has_trailing and is_trailing:
        trail = max(entry_price, peak) * (1.0 - trailing_stop)
        if trail > fixed:
            level, level_reason = trail, TRAILING_STOP
    used = 0
    for row in range(first, end):
        used += 1
        ts_ms = times[row]
        open_, high, low, close = opens[row], highs[row], lows[row], closes[row]
        is_partial = used == 1 and is_intrabar
        is_done = False
        if not is_partial:
            if open_ > highest:
                highest = open_
            elif open_ < lowest:
                lowest = open_
            if open_ <= level:
                sale_whole[n_sales, 0], sale_whole[n_sales, 1], sale_whole[n_sales, 2] = ts_ms, ts_ms, level_reason
                sale_floats[n_sales, 0], sale_floats[n_sales, 1] = left, open_
                n_sales += 1
                break
            while left > 0 and next_target < n_targets and open_ >= entry_price * (1.0 + gains[next_target]):
                fraction = fractions[next_target]
                next_target += 1
                sold = left if left - fraction <= FRACTION_TOLERANCE else fraction
                left -= sold
                sale_whole[n_sales, 0], sale_whole[n_sales, 1], sale_whole[n_sales, 2] = ts_ms, ts_ms, TAKE_PROFIT
                sale_floats[n_sales, 0], sale_floats[n_sales, 1] = sold, open_
                n_sales += 1
            is_done = not left > 0
        if not is_done:
            if not is_partial and next_target < n_targets and low <= level:
                is_ambiguous |= high >= entry_price * (1.0 + gains[next_target])
            is_high_first = policy == TARGET_FIRST
            if policy == OHLC_PATH:
                is_high_first = high - open_ < open_ - low
            for turn in range(2):
                if (turn == 0) == is_high_first and not is_partial:
                    while left > 0 and next_target < n_targets:
                        target = entry_price * (1.0 + gains[next_target])
                        if not high >= target:
                            break
                        if target > highest:
                            highest = target
                        elif target < lowest:
                            lowest = target
                        fraction = fractions[next_target]
                        next_target += 1
                        sold = left if left - fraction <= FRACTION_TOLERANCE else fraction
                        left -= sold
                        sale_whole[n_sales, 0], sale_whole[n_sales, 1] = ts_ms + interval_ms, ts_ms
                        sale_whole[n_sales, 2] = TAKE_PROFIT
                        sale_floats[n_sales, 0], sale_floats[n_sales, 1] = sold, target
                        n_sales += 1
                    if left > 0:
                        if high > highest:
                            highest = high
                        elif high < lowest:
                            lowest = high
                elif left > 0 and not (is_partial and turn == 1):
                    met = level if low <= level else low
                    if met > highest:
                        highest = met
                    elif met < lowest:
                        lowest = met
                    if low <= level:
                        sale_whole[n_sales, 0], sale_whole[n_sales, 1] = ts_ms + interval_ms, ts_ms
                        sale_whole[n_sales, 2] = level_reason
                        sale_floats[n_sales, 0], sale_floats[n_sales, 1] = left, level
                        n_sales += 1
                        left = 0.0
            if is_partial and left > 0:
                if close > highest:
                    highest = close
                elif close < lowest:
                    lowest = close
        if left > 0 and row == end - 1:
            sale_whole[n_sales, 0], sale_whole[n_sales, 1] = forced_ts_ms, ts_ms
            sale_whole[n_sales, 2] = forced_reason
            sale_floats[n_sales, 0], sale_floats[n_sales, 1] = left, forced_price
            n_sales += 1
            left = 0.0
        if not left > 0:
            break
        completed = close if is_partial else high
        if completed <= peak:
            continue
        peak = completed
        is_trailing = is_trailing or completed >= activation_price
        for step in range(n_steps):
            if is_armed[step] or completed < entry_price * (1.0 + triggers[step]):
                continue
            is_armed[step] = True
            step_level = entry_price * (1.0 + levels[step])
            if step_level > fixed:
                fixed = step_level
                fixed_reason = BREAKEVEN_STOP if levels[step] == 0 else STEP_STOP
        level, level_reason = fixed, fixed_reason
        if has_trailing and is_trailing:
            trail = max(entry_price, peak) * (1.0 - trailing_stop)
            if trail > fixed:
                level, level_reason = trail, TRAILING_STOP
    return n_sales, highest, lowest, is_ambiguous, used


@nb.njit
def _net_return(n_sales, sale_floats, raw_price, slippage, fee):  # type: ignore[no-untyped-def]
    received = 0.0
    for sale in range(n_sales):
        received += sale_floats[sale, 0] * (sale_floats[sale, 1] * (1.0 - slippage)) * (1.0 - fee)
    return received / (raw_price * (1.0 + slippage) * (1.0 + fee)) - 1.0


@nb.njit
def _price_legs(n_sales, sale_floats, quantity, slippage, fee, raw_price, floats):  # type: ignore[no-untyped-def]
    """Rule C6, into the leg's remaining columns and the position's sums, each from left to right."""
    raw_value = exit_fees = slipped = avg_price = 0.0
    for sale in range(n_sales):
        fraction, raw = sale_floats[sale, 0], sale_floats[sale, 1]
        price = raw * (1.0 - slippage)
        sold = fraction * quantity
        paid = sold * price * fee
        sale_floats[sale, 2], sale_floats[sale, 3], sale_floats[sale, 4] = price, sold, paid
        raw_value += fraction * raw
        exit_fees += paid
        slipped += sold * (raw - price)
        avg_price += fraction * price
    floats[_AVG_RAW], floats[_AVG_PRICE], floats[_EXIT_FEES] = raw_value, avg_price, exit_fees
    floats[_SLIPPAGE] = quantity * (raw_price * (1.0 + slippage) - raw_price) + slipped
    floats[_GROSS] = raw_value / raw_price - 1.0


@nb.njit
def _path_metrics(times, highs, lows, closes, first, end, raw_price, is_intrabar, floats):  # type: ignore[no-untyped-def]
    """Rule C9 for the window [first, end)."""
    floats[_TO_2X] = floats[_TO_3X] = floats[_TO_5X] = floats[_TO_10X] = floats[_DD_2X] = np.nan
    peak_before, lowest, highest, worst = raw_price, math.inf, 0.0, math.inf
    multiple = 2.0
    for row in range(first, end):
        high = closes[row] if is_intrabar and row == first else highs[row]
        lowest = min(lowest, lows[row])
        worst = min(worst, lows[row] / peak_before)
        highest = max(highest, high)
        peak_before = max(peak_before, high)
        while multiple > 0 and high >= multiple * raw_price:
            waited_s = (times[row] - times[first]) / 1_000
            if multiple == 2.0:
                floats[_TO_2X], floats[_DD_2X] = waited_s, lowest / raw_price - 1.0
                multiple = 3.0
            elif multiple == 3.0:
                floats[_TO_3X] = waited_s
                multiple = 5.0
            elif multiple == 5.0:
                floats[_TO_5X] = waited_s
                multiple = 10.0
            else:
                floats[_TO_10X] = waited_s
                multiple = 0.0
    floats[_ATH] = highest / raw_price
    floats[_PATH_DD] = worst - 1.0
    floats[_RET_END] = closes[end - 1] / raw_price - 1.0


@nb.njit
def _coverage_end_ms(start_us, end_us, first, end, instant_ms):  # type: ignore[no-untyped-def]
    """End of the first span that holds ``instant_ms``, in whole milliseconds; -1 where none does."""
    for span in range(first, end):
        if start_us[span] <= instant_ms * 1_000 < end_us[span]:
            return end_us[span] // 1_000
    return -1


@nb.njit(_SIGNATURE, cache=True, nogil=True, error_model="numpy")
def simulate_rows(  # type: ignore[no-untyped-def]
    offsets, times, opens, highs, lows, closes, intervals, span_offsets, span_start_us, span_end_us,
    series_index, from_ms, strategies, gains, fractions, triggers, levels,
    status, reason, whole, floats, leg_whole, leg_floats,
):  # fmt: skip
    """Simulate every call; returns the number of legs written.

    Positions go to the rows of ``whole`` and ``floats`` (columns `WHOLE_OUT`, `FLOATS_OUT`), legs one after the other
    to ``leg_whole`` and ``leg_floats``, which must hold one more than there are targets for each call. A coverage end
    before 1970 is taken for none.
    """
    s = strategies[0]
    times_code = np.full(len(intervals), -1, dtype=np.int8)
    is_armed = np.zeros(len(triggers), dtype=np.bool_)
    scratch_whole = np.empty((len(gains) + 1, 3), dtype=np.int64)
    scratch_floats = np.empty((len(gains) + 1, 5), dtype=np.float64)
    n_legs = 0
    for call in range(len(series_index)):
        series = series_index[call]
        if series < 0:
            status[call], reason[call] = NO_ENTRY, NO_CANDLE_SERIES
            continue
        start, end, interval_ms = offsets[series], offsets[series + 1], intervals[series]
        if times_code[series] < 0:
            times_code[series] = _times_violation(times, start, end, interval_ms)
        if times_code[series] != NO_REASON:
            status[call], reason[call] = BAD_DATA, times_code[series]
            continue
        t_ok_ms = from_ms[call] + s.delay_ms
        first = _first_row_after_alert(times, start, end, t_ok_ms, s.wait_ms)
        coverage_ms = np.int64(-1)
        if first >= 0:
            spans = span_offsets[series], span_offsets[series + 1]
            coverage_ms = _coverage_end_ms(span_start_us, span_end_us, spans[0], spans[1], times[first])
        if coverage_ms >= 0:
            end = _rows_until(times, start, end, coverage_ms - interval_ms + 1)
            first = _first_row_after_alert(times, start, end, t_ok_ms, s.wait_ms)
        if first < 0:
            status[call], reason[call] = NO_ENTRY, NO_CANDLE
            continue
        looked_at, entry_row, raw_price, is_intrabar = first + 1, first, opens[first], False
        if not math.isnan(s.limit_pct):
            limit = opens[first] * (1.0 - s.limit_pct)
            looked_at, entry_row, raw_price, is_intrabar = _limit_fill(
                times, opens, lows, first, end, limit, times[first] + s.limit_ttl_ms
            )
        violation = _prices_violation(opens, highs, lows, closes, first, looked_at)
        if violation == NO_REASON and entry_row < 0:
            status[call], reason[call] = NO_ENTRY, LIMIT_NOT_FILLED
            continue
        deadline_ms = times[max(entry_row, 0)] + s.hold_ms
        window_end = _rows_until(times, entry_row, end, deadline_ms) if entry_row >= 0 else entry_row
        if violation == NO_REASON:
            violation = _prices_violation(opens, highs, lows, closes, entry_row, window_end)
        if violation != NO_REASON:
            status[call], reason[call] = BAD_DATA, violation
            continue
        last_close_ms = times[window_end - 1] + interval_ms
        known_until_ms = coverage_ms if coverage_ms >= 0 else times[end - 1] + interval_ms
        if known_until_ms >= deadline_ms:
            forced_reason, forced_ts_ms, forced_price = TIME_EXIT, deadline_ms, closes[window_end - 1]
        else:
            forced_reason, forced_ts_ms = END_OF_DATA, last_close_ms
            forced_price = 0.0 if s.is_dead_worthless else closes[window_end - 1]
        sale_whole, sale_floats = leg_whole[n_legs:], leg_floats[n_legs:]
        n_sales, highest, lowest, is_ambiguous, used = _hold(
            times, opens, highs, lows, closes, entry_row, window_end, interval_ms, raw_price, is_intrabar, s.intrabar,
            s.stop_loss, s.trailing_stop, s.trailing_activation, s.slippage, gains, fractions, triggers, levels,
            is_armed, forced_reason, forced_ts_ms, forced_price, sale_whole, sale_floats,
        )  # fmt: skip
        net_return = _net_return(n_sales, sale_floats, raw_price, s.slippage, s.fee)
        bounds = (net_return, net_return)
        if is_ambiguous:
            for policy in (STOP_FIRST, TARGET_FIRST):
                n_other, _, _, _, _ = _hold(
                    times, opens, highs, lows, closes, entry_row, window_end, interval_ms, raw_price, is_intrabar,
                    policy, s.stop_loss, s.trailing_stop, s.trailing_activation, s.slippage, gains, fractions,
                    triggers, levels, is_armed, forced_reason, forced_ts_ms, forced_price, scratch_whole,
                    scratch_floats,
                )  # fmt: skip
                other = _net_return(n_other, scratch_floats, raw_price, s.slippage, s.fee)
                bounds = (other, bounds[1]) if policy == STOP_FIRST else (bounds[0], other)
        entry_price = raw_price * (1.0 + s.slippage)
        quantity = s.stake / (entry_price * (1.0 + s.fee))
        own = floats[call]
        _price_legs(n_sales, sale_floats, quantity, s.slippage, s.fee, raw_price, own)
        _path_metrics(times, highs, lows, closes, entry_row, window_end, raw_price, is_intrabar, own)
        entry_ts_ms = times[entry_row]
        last_ts_ms, last_candle_ms, last_reason = (
            sale_whole[n_sales - 1, 0], sale_whole[n_sales - 1, 1], sale_whole[n_sales - 1, 2],
        )  # fmt: skip
        held_until_ms = last_ts_ms if last_reason == TIME_EXIT else last_candle_ms + interval_ms
        own[_DURATION] = (last_ts_ms - entry_ts_ms) / 1_000
        own[_RAW], own[_PRICE], own[_SIZE], own[_STAKE] = raw_price, entry_price, quantity, s.stake
        own[_ENTRY_FEES] = quantity * entry_price * s.fee
        own[_NET], own[_PNL] = net_return, s.stake * net_return
        own[_MFE], own[_MAE] = highest / raw_price - 1.0, lowest / raw_price - 1.0
        own[_PESSIMISTIC], own[_OPTIMISTIC] = bounds
        own[_STALE] = (deadline_ms - last_close_ms) / 1_000 if last_reason == TIME_EXIT else np.nan
        whole[call, _ENTRY], whole[call, _EXIT] = entry_ts_ms, last_ts_ms
        whole[call, _FILL] = entry_ts_ms + (interval_ms if is_intrabar else 0)
        whole[call, _REASON], whole[call, _EXITS] = last_reason, n_sales
        whole[call, _AMBIGUOUS], whole[call, _CENSORED] = is_ambiguous, last_reason == END_OF_DATA
        whole[call, _USED] = used
        whole[call, _MISSING] = (held_until_ms - entry_ts_ms) // interval_ms - used
        status[call], reason[call] = CLOSED, NO_REASON
        n_legs += n_sales
    return n_legs
