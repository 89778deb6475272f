"""Sweeps: 100 sets on 10,000 calls with 24 hours of one-minute candles each. All costs are CPU time of one core."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.child_process import PYTHON, programs
from benchmarks.measurement import Figure, Measured, figure, interleaved
from benchmarks.naive_sweep import naive_sweep, strategy_numbers
from benchmarks.vectorbt_environment import vectorbt_answer
from benchmarks.workload import FIRST_CANDLE_MS, MINUTE_MS, Size, price_walk, token
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.strategy import Strategy, TakeProfit
from quantlab_core.simulation.sweep.candle_faults import candle_faults
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_core.simulation.sweep.record_index import RecordIndex, build_record_index
from quantlab_core.simulation.sweep.sweep import simulate_sweep
from quantlab_core.token import Token

HOLD_MIN = 1_440
CANDLES_OF_A_CALL = 1_410
"""Of 1,440 minutes; the others have no candle."""
VECTORBT_CALLS = 50
"""vectorbt's cost is measured on so many calls and all sets, and is counted per simulation."""

STOPS, TRAILS = (0.15, 0.2, 0.3, 0.4, 0.5), (0.15, 0.2, 0.3, 0.4, 0.5)
LADDERS = ((0.5, 1.0), (0.5, 2.0), (1.0, 3.0), (1.0, 5.0))

_FIRST_CALL = """
import numpy as np
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.sweep.sweep import simulate_sweep
from quantlab_core.token import Token
series = CandleSeries.from_rows([(60_000, 1.0, 1.0, 1.0, 1.0)])
pack, calls = CandlePack.from_series({Token("solana", "a"): series}), Calls(np.array([0]), np.array([1]))
strategy = Strategy(max_hold_min=1, stop_loss=0.5)
"""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """The sweep and one set, from candles and from the record index, beside vectorbt and the naive compiled loop."""
    n_calls = size.alerts * 100 if size.rounds else 4
    pack, calls = _market(n_calls)
    strategies = sweep_strategies()
    faults = candle_faults(pack)
    index = build_record_index(pack, calls, faults, EntryRule.of(strategies[0]), HOLD_MIN * MINUTE_MS)
    _check(pack, calls, strategies, index)
    given = {"faults": faults}
    vectorbt = _vectorbt(pack, strategies, folder) if size.rounds else {}
    for name, some in ((f"{len(strategies)} sets", strategies), ("one set", strategies[62:63])):
        simulations = len(some) * n_calls
        numbers = strategy_numbers(some)
        actions: dict[str, Callable[[], object]] = {
            f"{name} x {n_calls:,} calls, from candles": lambda some=some: simulate_sweep(pack, calls, some, **given),
            f"{name} x {n_calls:,} calls, from the record index": lambda some=some: simulate_sweep(
                pack, calls, some, **given, indexes=[index]
            ),
            "a naive compiled loop, early exit": lambda numbers=numbers: _naive(pack, numbers),
        }
        measured = interleaved(actions, rounds=size.rounds)
        from_candles, from_index, naive = (replace(one, cost=one.cpu_s or one.cost) for one in measured.values())
        peers = [Measured(way, cost * simulations, cost * simulations) for way, cost in vectorbt.items()]
        yield Figure(from_candles, "ms", (naive, *peers))
        yield Figure(from_index, "ms", (naive, *peers))
    yield _preparations(pack, calls, size)
    yield _first_call(size)


def sweep_strategies() -> list[Strategy]:
    """Stop loss x trailing stop x a ladder of two rungs."""
    return [
        Strategy(
            max_hold_min=HOLD_MIN,
            stop_loss=stop,
            trailing_stop=trail,
            take_profit=(TakeProfit(first, 0.5), TakeProfit(second, 0.25)),
            fee=0.01,
            slippage=0.005,
        )
        for stop, trail, (first, second) in itertools.product(STOPS, TRAILS, LADDERS)
    ]


def _market(n_calls: int) -> tuple[CandlePack, Calls]:
    """A token, a series of 24 hours and a call for each."""
    chance = np.random.default_rng(0)
    minutes = np.sort(chance.choice(np.arange(1, HOLD_MIN), CANDLES_OF_A_CALL - 1, replace=False))
    opens_ms = FIRST_CANDLE_MS + MINUTE_MS * np.concatenate(([0], minutes))
    prices = {name: np.empty(n_calls * CANDLES_OF_A_CALL) for name in ("open", "high", "low", "close")}
    for number in range(n_calls):
        walk = price_walk(number, CANDLES_OF_A_CALL)
        for name, column in prices.items():
            column[number * CANDLES_OF_A_CALL : (number + 1) * CANDLES_OF_A_CALL] = walk[name]
    pack = CandlePack(
        tokens=tuple(Token("solana", token(number)) for number in range(n_calls)),
        offsets=CANDLES_OF_A_CALL * np.arange(n_calls + 1, dtype=np.int64),
        ts_ms=np.tile(opens_ms, n_calls),
        **prices,
        interval_ms=np.full(n_calls, MINUTE_MS, dtype=np.int64),
        span_offsets=np.arange(n_calls + 1, dtype=np.int64),
        span_start_us=np.full(n_calls, FIRST_CANDLE_MS * 1_000, dtype=np.int64),
        span_end_us=np.full(n_calls, (FIRST_CANDLE_MS + HOLD_MIN * MINUTE_MS) * 1_000, dtype=np.int64),
    )
    return pack, Calls(np.arange(n_calls), np.full(n_calls, FIRST_CANDLE_MS - 17_000))


def _naive(pack: CandlePack, numbers: npt.NDArray[np.void]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    return naive_sweep(pack, pack.offsets[:-1], pack.offsets[1:], numbers, HOLD_MIN * MINUTE_MS)


def _check(pack: CandlePack, calls: Calls, strategies: list[Strategy], index: RecordIndex) -> None:
    """Refuse to compare engines that do not agree to the bit."""
    one, other = simulate_sweep(pack, calls, strategies), simulate_sweep(pack, calls, strategies, indexes=[index])
    naive = _naive(pack, strategy_numbers(strategies))
    for net_return, exit_ts_ms in ((other.net_return, other.exit_ts_ms), naive):
        if not (np.array_equal(one.net_return, net_return) and np.array_equal(one.exit_ts_ms, exit_ts_ms)):
            raise RuntimeError("the engines do not agree")


def _vectorbt(pack: CandlePack, strategies: list[Strategy], folder: Path) -> Mapping[str, float]:
    """CPU seconds of one simulation by each of vectorbt's ways; nothing where it is not to be had."""

    def bars(column: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        rows = column[: VECTORBT_CALLS * CANDLES_OF_A_CALL].reshape(VECTORBT_CALLS, CANDLES_OF_A_CALL).T
        opens = pack.open[: VECTORBT_CALLS * CANDLES_OF_A_CALL : CANDLES_OF_A_CALL]
        return np.ascontiguousarray(np.vstack([opens, rows]))

    answer = vectorbt_answer(
        {
            **{name: bars(getattr(pack, name)) for name in ("open", "high", "low", "close")},
            "stop_loss": np.array([one.stop_loss for one in strategies]),
            "trailing_stop": np.array([one.trailing_stop for one in strategies]),
            "gain": np.array([[rung.gain for rung in one.take_profit] for one in strategies]),
            "fraction": np.array([[rung.fraction for rung in one.take_profit] for one in strategies]),
            "fee": np.array(strategies[0].fee),
            "slippage": np.array(strategies[0].slippage),
        },
        folder,
    )
    if answer is None:
        return {}
    some = Calls(np.arange(VECTORBT_CALLS), np.full(VECTORBT_CALLS, FIRST_CANDLE_MS - 17_000))
    ours = simulate_sweep(pack, some, strategies).net_return.ravel()
    largest = float(np.abs(ours - np.array(answer["net_return"])).max())
    if not largest < 1e-9:
        print(f"vectorbt's order function differs by up to {largest:.2g}", file=sys.stderr)
    scaled = f"scaled from {VECTORBT_CALLS} calls"
    return {f"vectorbt {answer['version']}, {way}, {scaled}": answer[way] for way in ("order function", "signals")}


def _preparations(pack: CandlePack, calls: Calls, size: Size) -> Figure:
    rule, faults = EntryRule.of(sweep_strategies()[0]), candle_faults(pack)
    actions: dict[str, Callable[[], object]] = {
        "the record index, made": lambda: build_record_index(pack, calls, faults, rule, HOLD_MIN * MINUTE_MS),
        "checking all candles (rule C1)": lambda: candle_faults(pack),
        "numpy: highest high and lowest low": lambda: (pack.high.max(), pack.low.min()),
    }
    measured = interleaved(actions, rounds=size.rounds)
    return figure({name: replace(one, cost=one.cpu_s or math.nan) for name, one in measured.items()}, "ms")


def _first_call(size: Size) -> Figure:
    """A process that sweeps once, beside one that imports numba only; compiled code is in the cache."""
    commands = {
        "the first sweep of a process": [PYTHON, "-c", _FIRST_CALL + "simulate_sweep(pack, calls, [strategy])"],
        "the same without sweeping": [PYTHON, "-c", _FIRST_CALL],
        "import numba, numpy, pyarrow": [PYTHON, "-c", "import numba, numpy, pyarrow, pyarrow.compute"],
    }
    times, _ = programs(commands, rounds=min(size.rounds, 3))
    return figure({name: replace(one, cost=one.cpu_s or one.cost) for name, one in times.items()}, "ms")
