"""Arrow columns as numpy arrays: the one place where candle code crosses from tables to arithmetic.

``compute`` is ``pyarrow.compute`` without static types: its stubs give one Arrow type per overload, which code that
takes whatever type a file holds cannot name.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP

compute: Any = pyarrow.compute

Column: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"
Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


def floats(column: Column) -> Floats:
    """A float64 column; null becomes NaN."""
    return np.asarray(compute.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def microseconds(column: Column) -> Integers:
    """A timestamp[us, UTC] column as epoch microseconds; null becomes 0, so ask `is_valid` where nulls can occur."""
    stamps = compute.fill_null(compute.cast(column, pa.int64()), 0)
    return np.asarray(stamps.to_numpy(zero_copy_only=False), dtype=np.int64)


def instants(stamps: Integers, *, mask: Mask | None = None) -> pa.Array[Any]:
    """The inverse of `microseconds`; null where ``mask`` holds."""
    return pa.array(stamps, pa.int64(), mask=mask).cast(UTC_TIMESTAMP)


def int32s(numbers: Integers) -> pa.Array[Any]:
    """Counts as an int32 column."""
    return pa.array(numbers.astype(np.int32))


def is_valid(column: Column) -> Mask:
    """Per row whether the column has a value."""
    return np.asarray(compute.is_valid(column).to_numpy(zero_copy_only=False), dtype=np.bool_)


def matches(text: Column, pattern: str) -> Mask:
    """Per row whether the text matches the RE2 pattern; null does not."""
    found = compute.fill_null(compute.match_substring_regex(text, pattern), False)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.bool_)


def one_array(column: Column) -> pa.Array[Any]:
    """The column in one piece, dictionaries decoded."""
    whole: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.dictionary_decode() if isinstance(whole, pa.DictionaryArray) else whole


def rows_at(table: pa.Table, positions: Integers) -> pa.Table:
    """The rows at these positions, in their order; the table itself where that is all of them as they stand."""
    if len(positions) == table.num_rows and bool((positions == np.arange(table.num_rows)).all()):
        return table
    return table.take(pa.array(positions, pa.int64()))


def row_positions(mask: Mask) -> Integers:
    """Positions of the rows where ``mask`` holds."""
    return np.flatnonzero(mask).astype(np.int64)
