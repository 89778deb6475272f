"""What a sweep gives: the outcome of every strategy on every call, as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.outcome_codes import CLOSED, END_OF_DATA

NO_EXIT = -1
"""Exit reason of a call without a position."""

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Whether and where calls are bought: a row per combination of entry rule and holding time, a column per call.

    ``status`` holds codes of `STATUSES`, ``reason`` of `REASONS`. ``row`` is a row of the pack; it is -1 and the time 0
    and the price NaN where there is no position.
    """

    status: Codes
    reason: Codes
    row: Whole
    ts_ms: Whole
    raw_price: Floats


@dataclass(frozen=True, slots=True, eq=False)
class SweepOutcomes:
    """One row per strategy, one column per call, with the reference's own bits.

    ``exit_reason`` holds codes of `EXIT_REASONS` or `NO_EXIT`; times are epoch milliseconds UTC; returns are fractions.
    Where a call has no position, returns are NaN and times 0. Strategies share their ``entries``: strategy ``i`` has
    those of row ``entries_row[i]``, which properties spell out in full. ``uncovered`` are the strategies that the
    reference engine computed, since the fast path does not cover them.
    """

    entries: Entries
    entries_row: Whole
    exit_ts_ms: Whole
    exit_reason: Codes
    gross_return: Floats
    net_return: Floats
    is_ambiguous: Flags
    uncovered: tuple[int, ...]

    @property
    def status(self) -> Codes:
        """Codes of `STATUSES`."""
        return self.entries.status[self.entries_row]

    @property
    def reason(self) -> Codes:
        """Codes of `REASONS`."""
        return self.entries.reason[self.entries_row]

    @property
    def entry_row(self) -> Whole:
        """Row of the pack."""
        return self.entries.row[self.entries_row]

    @property
    def entry_ts_ms(self) -> Whole:
        """Open time of the entry candle."""
        return self.entries.ts_ms[self.entries_row]

    @property
    def entry_raw_price(self) -> Floats:
        """Price of the entry before slippage."""
        return self.entries.raw_price[self.entries_row]

    @property
    def is_closed(self) -> Flags:
        """Which became a trade."""
        return np.asarray(self.status == CLOSED)

    @property
    def is_censored(self) -> Flags:
        """Which ended because the data did."""
        return np.asarray(self.exit_reason == END_OF_DATA)
