"""From first touches to returns: what each strategy of a sweep gets for each call.

A position's moments are counted in half intervals from the entry candle's open: 2k is the open of the candle that opens
k intervals later, 2k + 1 is inside it. A target counts when its moment is before the limit that the stop sets, so the
order of events inside a candle (rule C4) is one comparison of whole numbers.

All columns of a tile of calls lie in one array of floats, at offsets that are known when this is compiled: only so does
the compiler see that they do not overlap, and works on several calls at a time. Whole numbers are exact in it.

Everything that is compiled into `price_exits` stands in this file. Loads numba, so import it only to run something.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from quantlab_core.simulation.outcome_codes import CLOSED, TAKE_PROFIT

STOP_FIRST, TARGET_FIRST, OHLC_PATH = range(3)
"""Codes of the intrabar policies."""

NO_EXIT = -1
"""Exit reason of a call without a position."""

TILE = 256
"""Calls that are looked at together; tables of touches are padded to whole tiles."""

STOP_COLUMNS, TARGET_COLUMNS = 4, 2
"""Columns of a stop in a table of touches (k, level, open, whether the high comes first) and of a target (moment,
price)."""

_K, _LEVEL, _OPEN, _FIRST, _REASON = (TILE * i for i in range(5))
_LIMIT, _TIE, _PRICE, _END_TS, _LEFT, _RAW, _RECEIVED, _LAST, _TIED = (TILE * i for i in range(5, 14))
_ENTRY_PRICE, _ENTRY_TS, _INTERVAL, _NET, _GROSS, _EXIT_TS, _EXIT_REASON = (TILE * i for i in range(14, 21))
_COLUMNS = 21
_END_K, _FORCED_PRICE, _FORCED_TS, _FORCED_REASON = (TILE * i for i in range(4))
_HOLD_COLUMNS = 4

_F8 = nb.types.Array(nb.float64, 1, "C", readonly=True)
_F83 = nb.types.Array(nb.float64, 3, "C", readonly=True)
_HELD = {one: nb.types.Array(one, 2, "C", readonly=True) for one in (nb.int8, nb.int32, nb.int64, nb.float64)}
_I8 = nb.types.Array(nb.int64, 1, "C", readonly=True)
_I1 = nb.types.Array(nb.int8, 1, "C", readonly=True)


@nb.njit(error_model="numpy")
def _note_stop(work, stop, reason):  # type: ignore[no-untyped-def]
    """Let one stop end each position that it ends before the stops noted so far, or above them in the same candle."""
    for c in range(TILE):
        k, level = stop[c], stop[TILE + c]
        is_first = (k < work[_K + c]) | ((k == work[_K + c]) & (level > work[_LEVEL + c]))
        work[_K + c] = k if is_first else work[_K + c]
        work[_LEVEL + c] = level if is_first else work[_LEVEL + c]
        work[_OPEN + c] = stop[2 * TILE + c] if is_first else work[_OPEN + c]
        work[_FIRST + c] = stop[3 * TILE + c] if is_first else work[_FIRST + c]
        work[_REASON + c] = reason if is_first else work[_REASON + c]


@nb.njit(error_model="numpy")
def _end_positions(work, held, first_weight, first_always):  # type: ignore[no-untyped-def]
    """Where the stops, or else the deadline, end each position; targets still have to be looked at.

    Targets come before the stop of the same candle ``first_always``, or where its high comes first (``first_weight``).
    """
    for c in range(TILE):
        k, level, opened, end_k = work[_K + c], work[_LEVEL + c], work[_OPEN + c], held[_END_K + c]
        is_stop, is_gap = k < end_k, opened <= level
        inside = 0.0 if is_gap else 1.0
        moment = 2.0 * k + inside
        earlier = inside * (first_always + first_weight * work[_FIRST + c])
        work[_LIMIT + c] = moment + earlier if is_stop else 2.0 * end_k
        work[_TIE + c] = moment if is_stop & (not is_gap) else -1.0
        work[_PRICE + c] = (opened if is_gap else level) if is_stop else held[_FORCED_PRICE + c]
        stop_ts = work[_ENTRY_TS + c] + (k + inside) * work[_INTERVAL + c]
        work[_END_TS + c] = stop_ts if is_stop else held[_FORCED_TS + c]
        work[_REASON + c] = work[_REASON + c] if is_stop else held[_FORCED_REASON + c]


@nb.njit(error_model="numpy")
def _sell_rung(work, target, fraction, sell, keep):  # type: ignore[no-untyped-def]
    """Sell ``fraction`` where the target is reached in time."""
    for c in range(TILE):
        moment, price = target[c], target[TILE + c]
        is_sold = moment < work[_LIMIT + c]
        sold = fraction if is_sold else 0.0
        work[_LEFT + c] -= sold
        work[_RAW + c] += sold * price
        work[_RECEIVED + c] += sold * (price * sell) * keep
        work[_LAST + c] = moment if is_sold else work[_LAST + c]
        work[_TIED + c] = 1.0 if moment == work[_TIE + c] else work[_TIED + c]


@nb.njit(error_model="numpy")
def _settle(work, sell, keep, enter, pay):  # type: ignore[no-untyped-def]
    """Sell what is left, and take stock. What the last target sold leaves nothing, which sells for nothing."""
    for c in range(TILE):
        left, price, bought = work[_LEFT + c], work[_PRICE + c], work[_ENTRY_PRICE + c]
        work[_GROSS + c] = (work[_RAW + c] + left * price) / bought - 1.0
        work[_NET + c] = (work[_RECEIVED + c] + left * (price * sell) * keep) / (bought * enter * pay) - 1.0
        sold_ts = work[_ENTRY_TS + c] + math.floor((work[_LAST + c] + 1.0) * 0.5) * work[_INTERVAL + c]
        work[_EXIT_TS + c] = work[_END_TS + c] if left > 0.0 else sold_ts
        work[_EXIT_REASON + c] = work[_REASON + c] if left > 0.0 else float(TAKE_PROFIT)


@nb.njit(
    (
        *(nb.int64, nb.int64, _I8, _I8, _I1, _I8, _I8, _I8, _I8, _I8, _I8, _F8, _F8, _F8, _F8, _F83, _F83),
        *(_HELD[nb.int8], _HELD[nb.int32], _HELD[nb.float64], _HELD[nb.int64], _HELD[nb.int8], _I8, _I8, _F8),
        *(nb.float64[:, ::1], nb.float64[:, ::1], nb.int64[:, ::1], nb.int8[:, ::1], nb.boolean[:, ::1]),
    ),
    cache=True,
    error_model="numpy",
)
def price_exits(  # type: ignore[no-untyped-def]
    begin, end,
    plan_offsets, plan_stop, plan_stop_reason, plan_policy, plan_hold, plan_set_offsets,
    set_row, rung_offsets, rung_target, rung_fraction, slippage, fee, entry_factor, stops, targets,
    status, end_k, forced_price, forced_ts_ms, forced_reason, entry_ts_ms, interval_ms, raw_price,
    net_return, gross_return, exit_ts_ms, exit_reason, is_ambiguous,
):  # fmt: skip
    """Write the outcomes of the calls [begin, end) for every set. ``stops`` and ``targets`` begin at call ``begin``.

    A plan is a choice of stops, holding time and policy; plan ``p`` has the stops ``plan_offsets[p]`` on and the sets
    ``plan_set_offsets[p]`` on. ``rung_fraction`` is what the rung really sells, the remainder where it sells that.
    """
    holds = len(end_k)
    work, held = np.zeros(_COLUMNS * TILE), np.zeros((holds, _HOLD_COLUMNS * TILE))
    for tile in range((end - begin + TILE - 1) // TILE):
        at = begin + tile * TILE
        calls = min(TILE, end - at)
        for c in range(calls):
            work[_ENTRY_PRICE + c], work[_ENTRY_TS + c] = raw_price[at + c], entry_ts_ms[at + c]
            work[_INTERVAL + c] = interval_ms[at + c]
        for h in range(holds):
            for c in range(calls):
                is_closed = status[h, at + c] == CLOSED
                held[h, _END_K + c] = end_k[h, at + c] if is_closed else 0.0
                held[h, _FORCED_PRICE + c] = forced_price[h, at + c] if is_closed else math.nan
                held[h, _FORCED_TS + c] = forced_ts_ms[h, at + c] if is_closed else 0.0
                held[h, _FORCED_REASON + c] = forced_reason[h, at + c] if is_closed else NO_EXIT
        for plan in range(len(plan_policy)):
            work[_K : _K + TILE] = np.inf
            work[_LEVEL : _LEVEL + TILE] = -1.0
            for i in range(plan_offsets[plan], plan_offsets[plan + 1]):
                _note_stop(work, stops[tile, plan_stop[i]], float(plan_stop_reason[i]))
            policy = plan_policy[plan]
            first_always, first_weight = 1.0 * (policy == TARGET_FIRST), 1.0 * (policy == OHLC_PATH)
            _end_positions(work, held[plan_hold[plan]], first_weight, first_always)
            for s in range(plan_set_offsets[plan], plan_set_offsets[plan + 1]):
                sell, keep = 1.0 - slippage[s], 1.0 - fee[s]
                work[_LEFT : _LEFT + TILE] = 1.0
                work[_RAW : _TIED + TILE] = 0.0
                for i in range(rung_offsets[s], rung_offsets[s + 1]):
                    _sell_rung(work, targets[tile, rung_target[i]], rung_fraction[i], sell, keep)
                _settle(work, sell, keep, entry_factor[s], 1.0 + fee[s])
                out = set_row[s]
                net_return[out, at : at + calls] = work[_NET : _NET + calls]
                gross_return[out, at : at + calls] = work[_GROSS : _GROSS + calls]
                for c in range(calls):
                    exit_ts_ms[out, at + c] = np.int64(work[_EXIT_TS + c])
                    exit_reason[out, at + c] = np.int8(work[_EXIT_REASON + c])
                    is_ambiguous[out, at + c] = work[_TIED + c] != 0.0
