"""Whether two tables are the same bit for bit: a yes that costs a fraction of two content hashes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

_BITS = {pa.float32(): pa.int32(), pa.float64(): pa.int64()}


def has_bits_of(table: pa.Table, normal: pa.Table, attributes: Iterable[str]) -> bool:
    """Whether ``table`` has the columns of ``normal`` in its order with equal values, and these attributes of it.

    Floats are compared as bits, so that -0.0 is not 0.0 and NaN is itself. No may only mean that the tables cannot be
    compared so (lists of floats): `hash_of_normal_form` decides then.
    """
    if table.schema.names != normal.schema.names or table.schema.types != normal.schema.types:
        return False
    ours, others = (found.schema.metadata or {} for found in (table, normal))
    if any(ours.get(name.encode()) != others.get(name.encode()) for name in attributes):
        return False
    return all(_bits(one).equals(_bits(other)) for one, other in zip(table.columns, normal.columns, strict=True))


def _bits(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    bits: Any = _BITS.get(column.type)
    return column if bits is None else pa.chunked_array([chunk.view(bits) for chunk in column.chunks], bits)
