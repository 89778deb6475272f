"""The peer of the sweep that anyone would write: a compiled loop over candles, one set and one call at a time.

Stop loss, trailing stop live from the entry, a ladder, a time exit and costs, all by rules C3 to C6 with the
reference's expressions; it leaves a position's candles as soon as all is sold. It is given entry rows and window ends.
Loads numba, so import it only to run something.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numba as nb
import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.simulation.strategy import Strategy

MOST_RUNGS = 4

NUMBERS = np.dtype(
    [
        ("stop_loss", np.float64),
        ("trailing_stop", np.float64),
        ("slippage", np.float64),
        ("fee", np.float64),
        ("rungs", np.int64),
        ("gain", np.float64, MOST_RUNGS),
        ("fraction", np.float64, MOST_RUNGS),
    ]
)


def strategy_numbers(strategies: Sequence[Strategy]) -> npt.NDArray[np.void]:
    """The strategies in numbers. They hold equally long; steps, activations, other policies are not for this loop."""
    numbers = np.zeros(len(strategies), dtype=NUMBERS)
    for number, strategy in zip(numbers, strategies, strict=True):
        if strategy.stop_steps or strategy.trailing_activation or strategy.intrabar != "stop_first":
            raise ValueError("the naive loop knows stop, trailing stop, ladder and time exit only")
        number["stop_loss"] = math.inf if strategy.stop_loss is None else strategy.stop_loss
        number["trailing_stop"] = math.inf if strategy.trailing_stop is None else strategy.trailing_stop
        number["slippage"], number["fee"] = strategy.slippage, strategy.fee
        number["rungs"] = len(strategy.take_profit)
        for i, rung in enumerate(strategy.take_profit):
            number["gain"][i], number["fraction"][i] = rung.gain, rung.fraction
    return numbers


def naive_sweep(
    pack: CandlePack,
    first_row: npt.NDArray[np.int64],
    end_row: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.void],
    hold_ms: int,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Net return and exit time of every set (row) and call (column); candles are known beyond every deadline."""
    shape = len(numbers), len(first_row)
    net_return, exit_ts_ms = np.empty(shape), np.empty(shape, dtype=np.int64)
    candles = pack.ts_ms, pack.open, pack.high, pack.low, pack.close
    _loop(*candles, first_row, end_row, numbers, hold_ms, int(pack.interval_ms[0]), net_return, exit_ts_ms)
    return net_return, exit_ts_ms


@nb.njit(cache=True)
def _loop(  # type: ignore[no-untyped-def]
    ts, opens, highs, lows, closes, first_row, end_row, numbers, hold_ms, interval_ms, net_return, exit_ts_ms
):
    for c in range(len(first_row)):  # calls outside, so that a call's candles stay in the cache for all sets
        first, end = first_row[c], end_row[c]
        for s in range(len(numbers)):
            one = numbers[s]
            sell, keep, gains, fractions, rungs = 1 - one.slippage, 1 - one.fee, one.gain, one.fraction, one.rungs
            price = opens[first] * (1.0 + one.slippage)
            stop, peak, left, received, rung = price * (1.0 - one.stop_loss), price, 1.0, 0.0, 0
            target = price * (1.0 + gains[0]) if rungs else np.inf
            exit_ms = ts[first] + hold_ms
            level = max(stop, peak * (1.0 - one.trailing_stop))
            for row in range(first, end):
                if opens[row] <= level:
                    received += left * (opens[row] * sell) * keep
                    left, exit_ms = 0.0, ts[row]
                    break
                is_at_open = opens[row] >= target
                if not is_at_open and lows[row] <= level:
                    received += left * (level * sell) * keep
                    left, exit_ms = 0.0, ts[row] + interval_ms
                    break
                while left > 0.0 and opens[row] >= target:
                    sold = left if left - fractions[rung] <= 1e-12 else fractions[rung]
                    received += sold * (opens[row] * sell) * keep
                    left -= sold
                    exit_ms = ts[row] if left == 0.0 else exit_ms
                    rung += 1
                    target = price * (1.0 + gains[rung]) if rung < rungs else np.inf
                if is_at_open and left > 0.0 and lows[row] <= level:
                    received += left * (level * sell) * keep
                    left, exit_ms = 0.0, ts[row] + interval_ms
                    break
                while left > 0.0 and highs[row] >= target:
                    sold = left if left - fractions[rung] <= 1e-12 else fractions[rung]
                    received += sold * (target * sell) * keep
                    left -= sold
                    exit_ms = ts[row] + interval_ms if left == 0.0 else exit_ms
                    rung += 1
                    target = price * (1.0 + gains[rung]) if rung < rungs else np.inf
                if left == 0.0:
                    break
                if highs[row] > peak:
                    peak = highs[row]
                    level = max(stop, peak * (1.0 - one.trailing_stop))
            if left > 0.0:
                received += left * (closes[end - 1] * sell) * keep
            net_return[s, c] = received / (price * (1.0 + one.fee)) - 1.0
            exit_ts_ms[s, c] = exit_ms
