"""Prices and volumes of a candle file as float64, and which values are no numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import Mask, compute, is_valid, matches, one_array

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_INFINITE = r"(?i)^[+-]?inf(inity)?$"
_MISSING = r"(?i)^(|nan|null|none|n/a|na|-|\\n)$"


def parse_numbers(table: pa.Table, column: str | None) -> tuple[pa.Array[Any], Mask]:
    """The column as float64 with null for what is missing, and per row whether the value is there but no number.

    A column that the file does not have is missing in every row.
    """
    if column is None:
        return pa.nulls(table.num_rows, pa.float64()), np.zeros(table.num_rows, dtype=np.bool_)
    values = one_array(table[column])
    kind: Any = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _from_text(compute.utf8_trim_whitespace(compute.cast(values, pa.string())))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = compute.cast(values, pa.float64(), safe=False)
        is_number = ~np.isnan(numbers.to_numpy(zero_copy_only=False))
        return compute.if_else(pa.array(is_number), numbers, pa.scalar(None, pa.float64())), np.zeros(
            len(numbers), dtype=np.bool_
        )
    return pa.nulls(table.num_rows, pa.float64()), is_valid(values)


def _from_text(text: pa.Array[Any]) -> tuple[pa.Array[Any], Mask]:
    is_number = matches(text, _NUMBER) | matches(text, _INFINITE)
    is_unreadable = is_valid(text) & ~is_number & ~matches(text, _MISSING)
    readable = compute.if_else(pa.array(is_number), text, pa.scalar(None, pa.string()))
    return compute.cast(readable, pa.float64()), is_unreadable
