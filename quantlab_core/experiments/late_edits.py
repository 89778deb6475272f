"""Calls that are traded from a late edit, when nobody asked for the token's candles of that time.

Slices are asked for around the call. After an edit that came later their end says nothing of whether the token still
traded, so ``no_candle`` would be a wrong reason.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.entry import entry_allowed_after_ms
from quantlab_core.simulation.outcome_codes import NO_CANDLE
from quantlab_core.simulation.strategy import Strategy

Flags = npt.NDArray[np.bool_]


def is_beyond_candles(
    pack: CandlePack, calls: Calls, reason: npt.NDArray[np.int8], strategy: Strategy, *, is_lagged: Flags
) -> Flags:
    """Which of the ``calls`` that found no candle (codes of ``reason``) wait where the source was not asked.

    ``is_lagged`` marks those that are traded from their edit; no others are looked at.
    """
    beyond = np.zeros(len(calls), dtype=np.bool_)
    for call in np.flatnonzero(is_lagged & (reason == NO_CANDLE) & (calls.series_index != NO_SERIES)):
        series_index = int(calls.series_index[call])
        first_ms = entry_allowed_after_ms(int(calls.tradable_from_ms[call]), strategy)
        last_ms = first_ms + round(strategy.max_entry_wait_s * 1_000)
        beyond[call] = not _is_known(pack, series_index, first_ms, last_ms)
    return beyond


def _is_known(pack: CandlePack, series_index: int, first_ms: int, last_ms: int) -> bool:
    """Whether the source was asked for all of [first_ms, last_ms], in which the entry's candle may open."""
    return any(start <= first_ms * 1_000 and last_ms * 1_000 < end for start, end in pack.known_us(series_index))
