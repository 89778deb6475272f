"""Whether rows are in order already: looked at part by part, where sorting would take the keys' size several times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_ROWS_AT_ONCE = 2**16


def rises(keys: Iterable[pa.ChunkedArray[Any]]) -> bool:
    """Whether each row of the key columns is behind the row before it, or equals it.

    False where a key has nulls or is no time, integer or text: then only sorting says it.
    """
    columns = list(keys)
    if any(column.null_count or not _is_compared(column.type) for column in columns):
        return False
    rows = len(columns[0])
    # Each part begins with the last row of the one before it.
    return all(
        _rises([column.slice(start, _ROWS_AT_ONCE + 1) for column in columns])
        for start in range(0, rows, _ROWS_AT_ONCE)
    )


def _is_compared(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_integer(kind) or pa.types.is_string(kind))


def _rises(keys: Sequence[pa.ChunkedArray[Any]]) -> bool:
    undecided = np.ones(max(len(keys[0]) - 1, 0), dtype=np.bool_)
    for key in keys:
        if not undecided.any():
            break
        values = key.to_numpy()
        if (undecided & (values[1:] < values[:-1])).any():
            return False
        undecided &= values[1:] == values[:-1]
    return True
