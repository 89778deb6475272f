"""All calls of an experiment through the compiled engine: what `simulate` says of each, as columns.

numba is loaded when the first call is simulated, never when this module is imported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.engine import DeadPrice
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.trade_columns import Codes, LegColumns, PositionColumns

MOST_LEGS = 2_000_000
"""So many exit legs are made room for at once; more calls than that may need are simulated in parts."""


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedCalls:
    """What a strategy did with each call; codes as in `TradeColumns`."""

    status: Codes
    reason: Codes
    positions: PositionColumns
    legs: LegColumns


def simulate_calls(
    pack: CandlePack, calls: Calls, strategy: Strategy, *, dead_price: DeadPrice = "last_close"
) -> SimulatedCalls:
    """`simulate` for every call of ``calls`` on its series of ``pack``, bit by bit.

    A call's coverage ends with the source span that holds the first candle that its entry may use; without such a span
    it ends with the series. A call without series is ``no_entry`` for the reason ``no_candle_series``. Raises
    StrategyError when ``max_hold_min`` is no multiple of the interval of a series that is called.
    """
    check_hold(pack, calls, strategy)
    step = max(1, MOST_LEGS // (len(strategy.take_profit) + 1))
    starts = range(0, max(len(calls), 1), step)
    return _joined([_simulated(pack, calls, slice(at, at + step), strategy, dead_price) for at in starts])


def check_hold(pack: CandlePack, calls: Calls, strategy: Strategy) -> None:
    """Raise StrategyError when ``max_hold_min`` is no multiple of the interval of a series that is called."""
    called = np.unique(calls.series_index[calls.series_index != NO_SERIES])
    intervals = pack.interval_ms[called]
    unfit = intervals[strategy.max_hold_min * 60_000 % intervals != 0]
    if len(unfit):
        raise StrategyError(
            f"strategy: max_hold_min {strategy.max_hold_min} is not a multiple of the candle interval of "
            f"{int(unfit[0]) // 60_000} minutes"
        )


def _simulated(
    pack: CandlePack, calls: Calls, part: slice, strategy: Strategy, dead_price: DeadPrice
) -> SimulatedCalls:
    from quantlab_core.simulation.compiled import calls_kernel as kernel

    series_index = np.ascontiguousarray(calls.series_index[part])
    n = len(series_index)
    most_legs = n * (len(strategy.take_profit) + 1)
    status, reason = np.zeros(n, dtype=np.int8), np.zeros(n, dtype=np.int8)
    whole = np.zeros((n, len(kernel.WHOLE_OUT)), dtype=np.int64)
    floats = np.full((n, len(kernel.FLOATS_OUT)), np.nan)
    leg_whole = np.empty((most_legs, len(kernel.LEG_WHOLE)), dtype=np.int64)
    leg_floats = np.empty((most_legs, len(kernel.LEG_FLOATS)))
    simulate_rows: Any = kernel.simulate_rows  # numba's own type takes no arguments
    n_legs = simulate_rows(
        *(pack.offsets, pack.ts_ms, pack.open, pack.high, pack.low, pack.close, pack.interval_ms),
        *(pack.span_offsets, pack.span_start_us, pack.span_end_us),
        *(series_index, np.ascontiguousarray(calls.tradable_from_ms[part])),
        *strategy_arrays(strategy, dead_price),
        *(status, reason, whole, floats, leg_whole, leg_floats),
    )
    named: dict[str, npt.NDArray[Any]] = dict(zip(kernel.FLOATS_OUT, floats.T, strict=True))
    named |= zip(kernel.WHOLE_OUT, whole.T, strict=True)
    legs: dict[str, npt.NDArray[Any]] = dict(zip(kernel.LEG_FLOATS, leg_floats[:n_legs].T, strict=True))
    legs |= zip(kernel.LEG_WHOLE, leg_whole[:n_legs].T, strict=True)
    return SimulatedCalls(
        status,
        reason,
        PositionColumns(**{f.name: _stored(named[f.name], str(f.type)) for f in fields(PositionColumns)}),
        LegColumns(
            offsets=np.concatenate(([0], np.cumsum(named["n_exits"]))).astype(np.int64),
            **{f.name: _stored(legs[f.name], str(f.type)) for f in fields(LegColumns) if f.name != "offsets"},
        ),
    )


def strategy_arrays(strategy: Strategy, dead_price: DeadPrice) -> tuple[npt.NDArray[Any], ...]:
    """The strategy as the kernel reads it: one record, then gains, fractions, triggers and levels."""
    from quantlab_core.simulation.compiled import calls_kernel as kernel

    policies = {
        "stop_first": kernel.STOP_FIRST,
        "target_first": kernel.TARGET_FIRST,
        "ohlc_path": kernel.OHLC_PATH,
    }
    record = np.zeros(1, dtype=kernel.STRATEGY_NUMBER)
    record["delay_ms"] = round(strategy.entry_delay_s * 1_000)
    record["wait_ms"] = strategy.max_entry_wait_s * 1_000
    record["limit_pct"] = _or_nan(strategy.limit_pct)
    record["limit_ttl_ms"] = (strategy.limit_ttl_min or 0) * 60_000
    record["hold_ms"] = strategy.max_hold_min * 60_000
    record["stop_loss"] = _or_nan(strategy.stop_loss)
    record["trailing_stop"] = _or_nan(strategy.trailing_stop)
    record["trailing_activation"] = strategy.trailing_activation
    record["intrabar"] = policies[strategy.intrabar]
    record["fee"] = strategy.fee
    record["slippage"] = strategy.slippage
    record["stake"] = strategy.stake
    record["is_dead_worthless"] = dead_price == "zero"
    return (
        record,
        np.array([rung.gain for rung in strategy.take_profit], dtype=np.float64),
        np.array([rung.fraction for rung in strategy.take_profit], dtype=np.float64),
        np.array([step.trigger for step in strategy.stop_steps], dtype=np.float64),
        np.array([step.level for step in strategy.stop_steps], dtype=np.float64),
    )


_STORAGE: dict[str, type[np.generic]] = {
    "Floats": np.float64,
    "Whole": np.int64,
    "Codes": np.int8,
    "Flags": np.bool_,
}


def _stored(values: npt.NDArray[Any], kind: str) -> npt.NDArray[Any]:
    return np.ascontiguousarray(values.astype(_STORAGE[kind], copy=False))


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _joined(parts: Sequence[SimulatedCalls]) -> SimulatedCalls:
    if len(parts) == 1:
        return parts[0]

    def together(of: type[Any], columns: Sequence[Any]) -> dict[str, npt.NDArray[Any]]:
        names = [f.name for f in fields(of) if f.name != "offsets"]
        return {name: np.concatenate([getattr(one, name) for one in columns]) for name in names}

    counts = np.concatenate([np.diff(part.legs.offsets) for part in parts])
    return SimulatedCalls(
        np.concatenate([part.status for part in parts]),
        np.concatenate([part.reason for part in parts]),
        PositionColumns(**together(PositionColumns, [part.positions for part in parts])),
        LegColumns(
            offsets=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            **together(LegColumns, [part.legs for part in parts]),
        ),
    )
