"""Rule C10 over many trades, compiled: `run_portfolio`, expression by expression.

Sums over open positions are exact and rounded once, as ``math.fsum`` does it, so their order does not matter: the exact
sum is carried along as positions open and close. Everything that is compiled into `run_purse` stands in this file (see
`calls_kernel`). Loads numba, so import it only to run something.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from quantlab_core.simulation.portfolio import ROUNDING
from quantlab_core.simulation.portfolio_columns import REJECTED_CAPITAL, REJECTED_MAX_OPEN, REJECTED_TOKEN_HELD

TAKEN = -1
"""Code of a trade that the purse took."""
MOST_PARTIALS = 64
"""A sum of doubles has no more parts: 2,098 bits in parts of 53, with room."""

CURVE_FLOATS = ("cash", "equity", "exposure", "drawdown", "drawdown_duration_s")
CURVE_WHOLE = ("ts_ms", "n_open")
"""Columns of the curve in the order in which the kernel writes them."""

_whole_in = nb.types.Array(nb.int64, 1, "C", readonly=True)
_floats_in = nb.types.Array(nb.float64, 1, "C", readonly=True)
_SIGNATURE = nb.int64(
    *(_whole_in, _whole_in, _whole_in, _floats_in, _floats_in, _whole_in),
    *(_whole_in, _floats_in, _floats_in, _floats_in, _floats_in, _whole_in, _whole_in, _whole_in),
    *(nb.float64, nb.float64, nb.boolean, nb.int64, nb.boolean),
    *(nb.float64[::1], nb.float64[::1], nb.int64[::1]),
    *(nb.int8[::1], nb.float64[:, ::1], nb.int64[:, ::1]),
)


@nb.njit
def _added(partials, n, value):  # type: ignore[no-untyped-def]
    """Add ``value`` to the exact sum in the first ``n`` partials; returns how many there are now (Shewchuk 1997)."""
    kept = 0
    for place in range(n):
        other = partials[place]
        if abs(value) < abs(other):
            value, other = other, value
        high = value + other
        low = other - (high - value)
        if low != 0.0:
            partials[kept] = low
            kept += 1
        value = high
    if value != 0.0:
        partials[kept] = value
        kept += 1
    return kept


@nb.njit
def _rounded(partials, n):  # type: ignore[no-untyped-def]
    """The exact sum as the nearest double, ties to even, as ``math.fsum`` rounds."""
    if n == 0:
        return 0.0
    n -= 1
    high = partials[n]
    low = 0.0
    while n > 0:
        before = high
        n -= 1
        part = partials[n]
        high = before + part
        low = part - (high - before)
        if low != 0.0:
            break
    if n > 0 and ((low < 0.0 and partials[n - 1] < 0.0) or (low > 0.0 and partials[n - 1] > 0.0)):
        doubled = low * 2.0
        moved = high + doubled
        if doubled == moved - high:
            high = moved
    return high


@nb.njit
def _rounded_with(partials, n, value, scratch):  # type: ignore[no-untyped-def]
    scratch[:n] = partials[:n]
    return _rounded(scratch, _added(scratch, n, value))


@nb.njit
def _push(heap, n, key):  # type: ignore[no-untyped-def]
    place = n
    while place > 0:
        parent = (place - 1) // 2
        if heap[parent] <= key:
            break
        heap[place] = heap[parent]
        place = parent
    heap[place] = key


@nb.njit
def _pop(heap, n):  # type: ignore[no-untyped-def]
    """Take out the smallest of ``n`` keys."""
    smallest, last = heap[0], heap[n - 1]
    n -= 1
    place = 0
    while 2 * place + 1 < n:
        child = 2 * place + 1
        if child + 1 < n and heap[child + 1] < heap[child]:
            child += 1
        if last <= heap[child]:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = last
    return smallest


@nb.njit(_SIGNATURE, cache=True, nogil=True, error_model="numpy")
def run_purse(  # type: ignore[no-untyped-def]
    rows, entry_ms, token, stakes, entry_fees, leg_offsets,
    leg_ts_ms, leg_fraction, leg_quantity, leg_price, leg_fee, leg_rank, leg_of_rank, leg_trade,
    starting_capital, stake, is_fraction, max_open, is_one_per_token,
    open_cost, scales, held,
    codes, curve_floats, curve_whole,
):  # fmt: skip
    """Take the trades ``rows``, which are in the order of their entries; returns the number of curve points.

    ``leg_rank`` is the place of each leg in the order in which money comes back. ``open_cost``, ``scales`` and ``held``
    are scratch; ``held`` is all zero before and after. ``max_open`` below 0 is no limit.
    """
    cash = starting_capital
    peak, peak_ts_ms, has_peak = starting_capital, np.int64(0), False
    partials, scratch = np.empty(MOST_PARTIALS), np.empty(MOST_PARTIALS)
    n_partials = n_open = n_points = n_due = 0
    n_legs = 0
    for row in rows:
        n_legs += leg_offsets[row + 1] - leg_offsets[row]
    due = np.empty(n_legs + 1, dtype=np.int64)
    place = 0
    while place < len(rows) or n_due > 0:
        # the next moment at which something happens: of money that comes back, or of an entry
        is_entry = place < len(rows)
        now_ms = entry_ms[rows[place]] if is_entry else np.int64(0)
        if n_due > 0:
            due_ms = leg_ts_ms[leg_of_rank[due[0]]]
            if not is_entry or due_ms < now_ms:
                now_ms, is_entry = due_ms, False
        has_changed = False
        for turn in range(2):  # sales before entries, and then the sales of what was just bought
            while n_due > 0 and leg_ts_ms[leg_of_rank[due[0]]] <= now_ms:
                leg = leg_of_rank[_pop(due, n_due)]
                n_due -= 1
                has_changed = True
                trade = leg_trade[leg]
                scale = scales[trade]
                cash += (leg_quantity[leg] * leg_price[leg] - leg_fee[leg]) * scale
                before = open_cost[trade]
                n_partials = _added(partials, n_partials, -before)
                if leg == leg_offsets[trade + 1] - 1:
                    n_open -= 1
                    held[token[trade]] -= 1
                else:
                    cost = (stakes[trade] - entry_fees[trade]) * scale
                    open_cost[trade] = before - cost * leg_fraction[leg]
                    n_partials = _added(partials, n_partials, open_cost[trade])
            if turn == 1 or not is_entry:
                break
            while place < len(rows) and entry_ms[rows[place]] == now_ms:
                trade = rows[place]
                asked = stake * _rounded_with(partials, n_partials, cash, scratch) if is_fraction else stake
                if is_one_per_token and held[token[trade]] > 0:
                    codes[place] = REJECTED_TOKEN_HELD
                elif max_open >= 0 and n_open >= max_open:
                    codes[place] = REJECTED_MAX_OPEN
                elif asked * (1 - ROUNDING) > cash or asked <= 0:
                    codes[place] = REJECTED_CAPITAL
                else:
                    codes[place] = TAKEN
                    has_changed = True
                    scales[trade] = asked / stakes[trade]
                    open_cost[trade] = (stakes[trade] - entry_fees[trade]) * scales[trade]
                    n_partials = _added(partials, n_partials, open_cost[trade])
                    cash = max(0.0, cash - asked)
                    n_open += 1
                    held[token[trade]] += 1
                    for leg in range(leg_offsets[trade], leg_offsets[trade + 1]):
                        _push(due, n_due, leg_rank[leg])
                        n_due += 1
                place += 1
        if not has_changed:
            continue
        equity = _rounded_with(partials, n_partials, cash, scratch)
        if not has_peak or equity >= peak:
            has_peak, peak_ts_ms = True, now_ms
        peak = max(peak, equity)
        curve_whole[n_points, 0], curve_whole[n_points, 1] = now_ms, n_open
        curve_floats[n_points, 0], curve_floats[n_points, 1] = cash, equity
        curve_floats[n_points, 2] = _rounded(partials, n_partials) / equity if equity > 0 else 0.0
        curve_floats[n_points, 3] = equity / peak - 1.0
        curve_floats[n_points, 4] = (now_ms - peak_ts_ms) / 1_000
        n_points += 1
    return n_points
