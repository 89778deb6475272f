"""vectorbt's two ways of the sweep's workload; run by `vectorbt_environment` in an environment of its own.

``python vectorbt_peer.py INPUT.npz`` prints JSON: CPU seconds of one simulation (one set, one call) by each way,
compiled code warm, and net returns by the way that knows the whole strategy. Columns are set by set, then call by call;
a bar in front of each call's candles is the entry, as vectorbt takes one order per bar.

- ``order function``: the whole strategy (stop, trailing stop, ladder, costs) as a compiled function of the user's.
- ``signals``: `Portfolio.from_signals` with a trailing stop and one target, which is less work than was asked for: it
  knows one stop at a time and no ladder.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import vectorbt as vbt
from numba import njit
from vectorbt.portfolio import nb
from vectorbt.portfolio.enums import NoOrder


@njit
def _order(c, calls, opens, highs, lows, closes, stop_loss, trail, gains, fractions, costs, left, peak, rung):
    call, one = c.col % calls, c.col // calls
    open_, high, low = opens[c.i, call], highs[c.i, call], lows[c.i, call]
    if c.i == 0:
        left[c.col], peak[c.col], rung[c.col] = 1.0, open_ * (1 + costs[1]), 0
        return nb.order_nb(size=np.inf, price=open_, fees=costs[0], slippage=costs[1])
    if left[c.col] <= 0:
        return NoOrder
    bought = opens[0, call] * (1 + costs[1])
    level = max(bought * (1 - stop_loss[one]), peak[c.col] * (1 - trail[one]))
    sold, value = 0.0, 0.0
    if open_ <= level:
        sold, value = left[c.col], left[c.col] * open_
    else:
        while rung[c.col] < gains.shape[1] and open_ >= bought * (1 + gains[one, rung[c.col]]):
            sold, value = sold + fractions[one, rung[c.col]], value + fractions[one, rung[c.col]] * open_
            rung[c.col] += 1
        if low <= level:
            value += (left[c.col] - sold) * level
            sold = left[c.col]
        else:
            while rung[c.col] < gains.shape[1] and high >= bought * (1 + gains[one, rung[c.col]]):
                target = bought * (1 + gains[one, rung[c.col]])
                sold, value = sold + fractions[one, rung[c.col]], value + fractions[one, rung[c.col]] * target
                rung[c.col] += 1
    if c.i == opens.shape[0] - 1 and sold < left[c.col]:
        value += (left[c.col] - sold) * closes[c.i, call]
        sold = left[c.col]
    peak[c.col] = max(peak[c.col], high)
    if sold == 0:
        return NoOrder
    share = sold / left[c.col]
    left[c.col] -= sold
    return nb.order_nb(size=-c.position_now * share, price=value / sold, fees=costs[0], slippage=costs[1])


def _order_function(given):
    calls, sets = given["open"].shape[1], len(given["stop_loss"])
    columns = calls * sets
    close = np.tile(given["close"], (1, sets))
    costs = (float(given["fee"]), float(given["slippage"]))
    portfolio = vbt.Portfolio.from_order_func(
        *(close, _order, calls, given["open"], given["high"], given["low"], given["close"], given["stop_loss"]),
        *(given["trailing_stop"], given["gain"], given["fraction"], costs),
        *(np.empty(columns), np.empty(columns), np.empty(columns, np.int64)),
        init_cash=100.0,
        max_orders=columns * (1 + given["gain"].shape[1] + 1),
    )
    return portfolio.total_return().to_numpy()


def _signals(given):
    calls, sets = given["open"].shape[1], len(given["stop_loss"])
    open_, high, low, close = (np.tile(given[name], (1, sets)) for name in ("open", "high", "low", "close"))
    entries, exits = np.zeros(close.shape, bool), np.zeros(close.shape, bool)
    entries[0], exits[-1] = True, True
    portfolio = vbt.Portfolio.from_signals(
        *(close, entries, exits),
        open=open_,
        high=high,
        low=low,
        sl_stop=np.repeat(given["trailing_stop"], calls),
        sl_trail=True,
        tp_stop=np.repeat(given["gain"][:, 0], calls),
        stop_entry_price="fillprice",
        stop_exit_price="stopmarket",
        fees=float(given["fee"]),
        slippage=float(given["slippage"]),
        init_cash=100.0,
    )
    return portfolio.total_return().to_numpy()


def main() -> None:
    """Measure both ways."""
    given = dict(np.load(sys.argv[1]))
    simulations = given["open"].shape[1] * len(given["stop_loss"])
    answer: dict[str, object] = {"version": vbt.__version__}
    returns = None
    for name, way in (("order function", _order_function), ("signals", _signals)):
        way({**given, **{key: given[key][:, :1] for key in ("open", "high", "low", "close")}})  # compiles
        seconds = []
        for _ in range(3):
            start = time.process_time()
            found = way(given)
            seconds.append(time.process_time() - start)
        returns = found if returns is None else returns
        answer[name] = min(seconds) / simulations
    answer["net_return"] = returns.tolist()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
