"""Rows of a file whose token, time or numbers cannot be read, and why."""

from __future__ import annotations

from collections.abc import Mapping

from quantlab_core.candles.arrow_columns import Mask, is_valid, row_positions
from quantlab_core.candles.time_units import ParsedTimes
from quantlab_core.candles.validation import Rejection
from quantlab_resources.candles.files.raw_rows import RawRows
from quantlab_resources.candles.files.row_tokens import RowTokens


def unreadable_rows(
    raw: RawRows,
    columns: Mapping[str, str],
    times: ParsedTimes,
    tokens: RowTokens,
    no_numbers: Mapping[str, Mask],
    *,
    shown_as: Mapping[str, str] | None = None,
) -> list[Rejection]:
    """One rejection per such row, by row: for its token, else its time, else the first of its numbers.

    ``columns`` has the file's own column of each field, ``no_numbers`` for each field of numbers which rows have none
    that can be read. A field is named as in ``shown_as``, else by its own name.
    """
    found = {row: ("token_invalid", reason) for row, reason in tokens.reasons.items()}
    for row in row_positions(~is_valid(times.instants)).tolist():
        value = raw.table[columns["ts"]][row].as_py()
        found.setdefault(row, ("time_unreadable", f"the time {value!r} is missing or cannot be read"))
    for field, no_number in no_numbers.items():
        for row in row_positions(no_number).tolist():
            value = raw.table[columns[field]][row].as_py()
            name = field if shown_as is None else shown_as[field]
            found.setdefault(row, ("number_unreadable", f"{name} {value!r} is not a number"))
    return [Rejection(int(raw.row_numbers[row]), rule_id, reason) for row, (rule_id, reason) in sorted(found.items())]
