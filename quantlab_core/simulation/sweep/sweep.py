"""The entry point of the fast path: many strategies on many calls, with the reference's bits.

Numba is loaded when something is simulated, not when this module is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.engine import DeadPrice
from quantlab_core.simulation.outcome_codes import CLOSED
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.sweep.reference_rows import fill_by_reference
from quantlab_core.simulation.sweep.sweep_outcomes import Entries, Floats, SweepOutcomes
from quantlab_core.simulation.sweep.sweep_plan import (
    EntryGroup,
    SlippageGroup,
    is_covered,
    sweep_plan,
)

if TYPE_CHECKING:
    from quantlab_core.simulation.sweep.candle_faults import CandleFaults
    from quantlab_core.simulation.sweep.positions import Positions
    from quantlab_core.simulation.sweep.record_index import RecordIndex

TOUCHES_AT_ONCE = 1 << 15
"""Touches that are held at a time, or those of a tile of calls where these are more: they stay in the cache."""


def simulate_sweep(
    pack: CandlePack,
    calls: Calls,
    strategies: Sequence[Strategy],
    *,
    dead_price: DeadPrice = "last_close",
    faults: CandleFaults | None = None,
    indexes: Sequence[RecordIndex] = (),
) -> SweepOutcomes:
    """What each of ``strategies`` does with each of ``calls``: what `simulate` says, to the bit.

    ``faults`` are what `candle_faults` says of ``pack``; without them it is asked. Of ``indexes``, those made for these
    calls and an entry rule of the sweep are used, where they reach as far as its longest holding time; candles
    are read for the rest. The order of strategies and calls is kept; nothing else depends on it. Raises StrategyError
    when a ``max_hold_min`` is no multiple of the interval of candles that a call needs.
    """
    from quantlab_core.simulation.sweep.candle_faults import candle_faults
    from quantlab_core.simulation.sweep.positions import find_positions

    _refuse_uneven_holding_times(pack, calls, strategies)
    covered = [row for row, strategy in enumerate(strategies) if is_covered(strategy)]
    uncovered = [row for row, strategy in enumerate(strategies) if not is_covered(strategy)]
    plan = sweep_plan([strategies[row] for row in covered], covered)
    outcomes = _empty(len(calls), plan, uncovered)
    first_entries_row = 0
    for group in plan:
        index = next((one for one in indexes if one.serves(calls, group.rule, int(group.hold_ms[-1]))), None)
        if index is not None and dead_price == "last_close" and group.hold_ms.tolist() == [index.hold_ms]:
            positions = index.positions
        else:
            faults = faults or candle_faults(pack)
            is_dead_worthless = dead_price == "zero"
            positions = find_positions(
                pack, calls, faults, group.rule, group.hold_ms, is_dead_worthless=is_dead_worthless
            )
        _note_entries(outcomes, group, positions, first_entries_row)
        first_entries_row += len(group.hold_ms)
        for members in group.groups:
            _simulate_group(pack, positions, members, index, outcomes)
    for number, row in enumerate(uncovered):
        outcomes.entries_row[row] = first_entries_row + number
        fill_by_reference(outcomes, row, pack, calls, strategies[row], dead_price)
    return outcomes


def _refuse_uneven_holding_times(pack: CandlePack, calls: Calls, strategies: Sequence[Strategy]) -> None:
    used = calls.series_index[calls.series_index != NO_SERIES]
    for interval_ms in np.unique(pack.interval_ms[used]).tolist():
        for strategy in strategies:
            if strategy.max_hold_min * 60_000 % interval_ms:
                raise StrategyError(
                    f"strategy: max_hold_min {strategy.max_hold_min} is not a multiple of the candle interval of "
                    f"{interval_ms // 60_000} minutes"
                )


def _empty(calls: int, plan: Sequence[EntryGroup], uncovered: Sequence[int]) -> SweepOutcomes:
    """Outcomes of ``calls`` with room for every strategy."""
    shape = sum(len(group.set_row) for group in plan) + len(uncovered), calls
    entries = sum(len(group.hold_ms) for group in plan) + len(uncovered), calls
    return SweepOutcomes(
        entries=Entries(
            status=np.empty(entries, np.int8),
            reason=np.empty(entries, np.int8),
            row=np.empty(entries, np.int64),
            ts_ms=np.empty(entries, np.int64),
            raw_price=np.empty(entries, np.float64),
        ),
        entries_row=np.empty(shape[0], np.int64),
        exit_ts_ms=np.empty(shape, np.int64),
        exit_reason=np.empty(shape, np.int8),
        gross_return=np.empty(shape, np.float64),
        net_return=np.empty(shape, np.float64),
        is_ambiguous=np.empty(shape, np.bool_),
        uncovered=tuple(uncovered),
    )


def _note_entries(outcomes: SweepOutcomes, group: EntryGroup, positions: Positions, first_row: int) -> None:
    """Where the calls are bought, for each holding time of the group."""
    outcomes.entries_row[group.set_row] = first_row + group.set_hold
    rows, entries = slice(first_row, first_row + len(group.hold_ms)), outcomes.entries
    is_closed = positions.status == CLOSED
    entries.status[rows], entries.reason[rows] = positions.status, positions.reason
    entries.row[rows] = np.where(is_closed, positions.first_row, -1)
    entries.ts_ms[rows] = np.where(is_closed, positions.entry_ts_ms, 0)
    entries.raw_price[rows] = np.where(is_closed, positions.raw_price, np.nan)


def _simulate_group(
    pack: CandlePack,
    positions: Positions,
    members: SlippageGroup,
    index: RecordIndex | None,
    outcomes: SweepOutcomes,
) -> None:
    from quantlab_core.simulation.sweep.exit_pricing import TILE, price_exits

    calls, plans = len(positions.first_row), members.plans
    touches_per_call = members.thresholds.n_stops + len(members.thresholds.target_factor)
    at_once = TILE * max(1, TOUCHES_AT_ONCE // (TILE * max(1, touches_per_call)))
    for begin in range(0, calls, at_once):
        end = min(begin + at_once, calls)
        price_exits(
            *(begin, end),
            *(plans.plan_offsets, plans.plan_stop, plans.plan_stop_reason, plans.plan_policy, plans.plan_hold),
            *(plans.plan_set_offsets, plans.set_row, plans.rung_offsets, plans.rung_target, plans.rung_fraction),
            *(plans.slippage, plans.fee, plans.entry_factor),
            *_touches(pack, positions, members, index, begin, end),
            *(positions.status, positions.end_k, positions.forced_price, positions.forced_ts_ms),
            *(positions.forced_reason, positions.entry_ts_ms, positions.interval_ms, positions.raw_price),
            *(outcomes.net_return, outcomes.gross_return, outcomes.exit_ts_ms, outcomes.exit_reason),
            outcomes.is_ambiguous,
        )


def _touches(
    pack: CandlePack, positions: Positions, members: SlippageGroup, index: RecordIndex | None, begin: int, end: int
) -> tuple[Floats, Floats]:
    """First touches of all thresholds by the calls [begin, end): a table of stops and one of targets."""
    from quantlab_core.simulation.sweep.exit_pricing import STOP_COLUMNS, TARGET_COLUMNS, TILE
    from quantlab_core.simulation.sweep.first_touches import touches_from_candles, touches_from_records

    thresholds, tiles = members.thresholds, (end - begin + TILE - 1) // TILE
    stops = np.zeros((tiles, thresholds.n_stops, STOP_COLUMNS * TILE))
    targets = np.zeros((tiles, len(thresholds.target_factor), TARGET_COLUMNS * TILE))
    given = (
        *(pack.ts_ms, pack.open, pack.high, pack.low, pack.close),
        *(positions.first_row[begin:end], positions.end_row[begin:end], positions.raw_price[begin:end]),
        *(positions.is_intrabar[begin:end], positions.interval_ms[begin:end]),
        1.0 + members.slippage,
        *(thresholds.low_factor, thresholds.trail_factor, thresholds.target_factor, thresholds.arm_factor),
        *(thresholds.armed_low_arm, thresholds.armed_low_factor),
        *(thresholds.armed_trail_arm, thresholds.armed_trail_factor),
    )
    if index is None:
        touches_from_candles(*given, thresholds.ended_by, thresholds.needs_path, stops, targets)
    else:
        some = slice(begin, end + 1)
        touches_from_records(
            *(*given, thresholds.needs_path),
            *(index.low_offsets[some], index.low_value, index.low_record),
            *(index.high_offsets[some], index.high_value, index.high_record),
            *(index.ratio_offsets[some], index.ratio_value, index.ratio_record),
            *(stops, targets),
        )
    return stops, targets
