"""The reference engine's answers in the shape of a sweep: for what the fast path does not cover."""

from __future__ import annotations

import numpy as np

from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import DeadPrice, simulate
from quantlab_core.simulation.entry import first_row_after_alert
from quantlab_core.simulation.outcome_codes import EXIT_REASONS, NO_CANDLE_SERIES, NO_ENTRY, REASONS, STATUSES
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.sweep.sweep_outcomes import NO_EXIT, SweepOutcomes
from quantlab_core.simulation.trade import SimulatedTrade


def fill_by_reference(
    outcomes: SweepOutcomes, row: int, pack: CandlePack, calls: Calls, strategy: Strategy, dead_price: DeadPrice
) -> None:
    """Write what `simulate` says of ``strategy`` and each call into row ``row`` of ``outcomes``.

    The strategy's row of the entries must be its own.
    """
    for call in range(len(calls)):
        _note(outcomes, row, call, pack, calls, reference_trade(pack, calls, call, strategy, dead_price))


def reference_trade(
    pack: CandlePack, calls: Calls, call: int, strategy: Strategy, dead_price: DeadPrice
) -> SimulatedTrade | None:
    """What `simulate` says of ``strategy`` and one call; None when its token has no candles."""
    index = int(calls.series_index[call])
    if index == NO_SERIES:
        return None
    series = pack.series(index)
    tradable_from_ms = int(calls.tradable_from_ms[call])
    return simulate(
        series,
        alert_ts_ms=tradable_from_ms,
        strategy=strategy,
        coverage_end_ms=_coverage_end_ms(pack, index, series, tradable_from_ms, strategy),
        dead_price=dead_price,
    )


def _coverage_end_ms(
    pack: CandlePack, index: int, series: CandleSeries, tradable_from_ms: int, strategy: Strategy
) -> int | None:
    """End of the source span that holds the first candle an entry may use; None where no span does."""
    row = first_row_after_alert(series, tradable_from_ms, strategy)
    if row is None:
        return None
    instant_us = int(series.ts_ms[row]) * 1_000
    return next((end // 1_000 for start, end in pack.spans_us(index) if start <= instant_us < end), None)


def _note(
    outcomes: SweepOutcomes, row: int, call: int, pack: CandlePack, calls: Calls, trade: SimulatedTrade | None
) -> None:
    entries, at = outcomes.entries, (outcomes.entries_row[row], call)
    entries.status[at] = NO_ENTRY if trade is None else STATUSES.index(trade.status)
    entries.reason[at] = NO_CANDLE_SERIES if trade is None else REASONS.index(trade.reason or "")
    position = None if trade is None else trade.position
    if position is None:
        entries.row[at], entries.ts_ms[at], entries.raw_price[at] = -1, 0, np.nan
        outcomes.exit_ts_ms[row, call], outcomes.exit_reason[row, call] = 0, NO_EXIT
        outcomes.gross_return[row, call] = outcomes.net_return[row, call] = np.nan
        outcomes.is_ambiguous[row, call] = False
        return
    index = int(calls.series_index[call])
    found = np.searchsorted(pack.series(index).ts_ms, position.entry_ts_ms)
    entries.row[at] = int(pack.offsets[index]) + int(found)
    entries.ts_ms[at], entries.raw_price[at] = position.entry_ts_ms, position.entry_raw_price
    outcomes.exit_ts_ms[row, call] = position.exit_ts_ms
    outcomes.exit_reason[row, call] = EXIT_REASONS.index(position.exit_reason)
    outcomes.gross_return[row, call] = position.gross_return
    outcomes.net_return[row, call] = position.net_return
    outcomes.is_ambiguous[row, call] = position.is_ambiguous
