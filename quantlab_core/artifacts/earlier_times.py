"""Times as the earlier store wrote them, read tolerantly: text of several forms, timestamps with and without a zone,
epoch stamps. What cannot be read becomes null, so that one bad row does not stop a lake.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP

compute: Any = pyarrow.compute

FIRST_EPOCH_SECOND = 946_684_800  # 2000-01-01
LAST_EPOCH_SECOND = 4_102_444_800  # 2100-01-01
_PER_SECOND = (1, 1_000, 1_000_000, 1_000_000_000)
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?"
_READABLE = rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{_CLOCK}(Z|[+-][0-9]{{2}}(:?[0-9]{{2}})?)$"
_DIGITS = r"^[0-9]{9,19}$"


def earlier_instants(values: pa.Array[Any] | pa.ChunkedArray[Any]) -> pa.Array[Any]:
    """``values`` as ``timestamp[us, UTC]``; null where a value is missing or cannot be read.

    Text: ISO 8601 with ``Z``, with an offset, or without a zone, which means UTC; with any number of fraction digits,
    of which six count; or digits of an epoch stamp. Timestamps without a zone are UTC. Numbers are epoch stamps whose
    unit follows from their magnitude: seconds to nanoseconds of the years 2000 to 2099 do not overlap.
    """
    column: Any = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_timestamp(kind):
        return compute.cast(column, UTC_TIMESTAMP, safe=False)  # type: ignore[no-any-return] # without a zone: UTC
    if pa.types.is_date(kind):
        return compute.cast(compute.cast(column, pa.timestamp("us")), UTC_TIMESTAMP)  # type: ignore[no-any-return]
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _from_epoch(column)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _from_text(compute.cast(column, pa.string()))
    return pa.nulls(len(column), UTC_TIMESTAMP)


def _from_text(column: pa.Array[Any]) -> pa.Array[Any]:
    text = compute.utf8_trim_whitespace(column)
    is_stamp = compute.match_substring_regex(text, _DIGITS)
    stamps = _from_epoch(compute.cast(compute.if_else(is_stamp, text, None), pa.uint64()))
    for pattern, replacement in (
        (r"^([0-9-]{10})[Tt ]+", r"\1T"),
        (r"^([0-9-]{10})$", r"\1T00:00"),
        (r" *([Zz]|UTC|GMT)$", "Z"),
        (r" +([+-][0-9:]+)$", r"\1"),
        (r"(\.[0-9]{6})[0-9]+", r"\1"),
        (r"\.([Z+-]|$)", r"\1"),
        (r"(T[0-9:.]+)$", r"\1Z"),
    ):
        text = compute.replace_substring_regex(text, pattern, replacement)
    readable = compute.if_else(compute.match_substring_regex(text, _READABLE), text, None)
    return compute.coalesce(_cast(readable), stamps)  # type: ignore[no-any-return]


def _cast(text: pa.Array[Any]) -> pa.Array[Any]:
    """Text of the right shape as instants; null where it names no real instant, such as the 31st of April."""
    try:
        return compute.cast(text, UTC_TIMESTAMP)  # type: ignore[no-any-return]
    except pa.ArrowInvalid:
        return pa.concat_arrays([_cast_one(text.slice(row, 1)) for row in range(len(text))])


def _cast_one(text: pa.Array[Any]) -> pa.Array[Any]:
    try:
        return compute.cast(text, UTC_TIMESTAMP)  # type: ignore[no-any-return]
    except pa.ArrowInvalid:
        return pa.nulls(1, UTC_TIMESTAMP)


def _from_epoch(column: pa.Array[Any]) -> pa.Array[Any]:
    is_float = pa.types.is_floating(column.type)
    filled = compute.fill_null(column, 0)
    stamps = np.asarray(filled.to_numpy(zero_copy_only=False))
    micros = np.zeros(len(stamps), dtype=np.int64)
    is_known = np.zeros(len(stamps), dtype=np.bool_)
    for per_second in _PER_SECOND:
        fits = (stamps >= FIRST_EPOCH_SECOND * per_second) & (stamps < LAST_EPOCH_SECOND * per_second)
        if is_float:
            micros[fits] = np.rint(stamps[fits] * (1_000_000 / per_second)).astype(np.int64)
        elif per_second <= 1_000_000:
            micros[fits] = stamps[fits].astype(np.int64) * (1_000_000 // per_second)
        else:
            micros[fits] = stamps[fits].astype(np.int64) // (per_second // 1_000_000)
        is_known |= fits
    return pa.array(micros, mask=~is_known).cast(UTC_TIMESTAMP)
