"""Statuses and reasons as small numbers: the words of the result tables in the form that arrays hold.

A code is the position of its word. New words go to the end: codes are kept in no file, but compiled code holds them.
"""

from __future__ import annotations

STATUSES = ("closed", "no_entry", "bad_data", "excluded")
"""What became of an alert."""
CLOSED, NO_ENTRY, BAD_DATA, EXCLUDED = range(len(STATUSES))

REASONS = (
    "",
    "no_candle",
    "limit_not_filled",
    "no_candle_series",
    "ts_not_ascending",
    "ts_off_grid",
    "price_not_finite",
    "price_not_positive",
    "low_above_open_or_close",
    "high_below_open_or_close",
    "edited_call",
    "caller_not_selected",
    "chain_not_selected",
    "not_first_in_chat",
    "not_first_by_caller",
    "edit_beyond_candles",
    "poorly_covered",
)
"""Why there is no trade; code 0 (no word) is a closed one."""
(
    NO_REASON,
    NO_CANDLE,
    LIMIT_NOT_FILLED,
    NO_CANDLE_SERIES,
    TS_NOT_ASCENDING,
    TS_OFF_GRID,
    PRICE_NOT_FINITE,
    PRICE_NOT_POSITIVE,
    LOW_ABOVE,
    HIGH_BELOW,
    EDITED_CALL,
    CALLER_NOT_SELECTED,
    CHAIN_NOT_SELECTED,
    NOT_FIRST_IN_CHAT,
    NOT_FIRST_BY_CALLER,
    EDIT_BEYOND_CANDLES,
    POORLY_COVERED,
) = range(len(REASONS))

EXIT_REASONS = (
    "stop_loss",
    "breakeven_stop",
    "step_stop",
    "trailing_stop",
    "take_profit",
    "time_exit",
    "end_of_data",
)
"""Why a sale was made."""
STOP_LOSS, BREAKEVEN_STOP, STEP_STOP, TRAILING_STOP, TAKE_PROFIT, TIME_EXIT, END_OF_DATA = range(len(EXIT_REASONS))
