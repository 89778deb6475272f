"""Candle slices of the earlier store in our schema.

A row that breaks a rule of `validation` is no candle and is left out, of rows of one minute the one that
`duplicate_candles` chooses stays; the artifact that holds them stays as it is. The earlier store recorded no units:
its prices are taken for USD, which its sources gave, and the unit of its volumes is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP
from quantlab_core.artifacts.earlier_times import earlier_instants
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.arrow_columns import compute
from quantlab_core.candles.earlier_types import EARLIER_SLICE
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan, encode_spans, merge_spans
from quantlab_core.candles.token_series import UNKNOWN_UNIT
from quantlab_core.candles.validation import CANDLE_VALUES, validate_candles
from quantlab_core.errors import InvalidInputError, LogicalKeyError
from quantlab_core.token import EVM_UNKNOWN, SOLANA

ADOPTED_SOURCE = "adopted"
_END_OF_TIME = parse_timestamp("2100-01-01T00:00:00Z")
_NEAR = timedelta(days=1)
_NO_KNOWN_RESOLUTION = timedelta(seconds=1)
_TIME_COLUMNS = ("timestamp", "ts")


def slice_of_earlier(table: pa.Table, logical_key: str) -> pa.Table:
    """A stored ``ohlcv_slice_v2`` version 1 or 2 as version 3, with its attributes as schema metadata.

    ``source_spans`` is the window that the key names, else the time from the first to the last candle.
    """
    parts = _parts(logical_key)
    window = _window(parts)
    resolution = RESOLUTIONS.get(parts.get("res", ""))
    rows = _rows(table, parts, window)
    candles = validate_candles(rows, resolution=resolution or _NO_KNOWN_RESOLUTION, as_of=_END_OF_TIME).candles
    return with_attributes(
        candles.sort_by("ts"),
        {
            "resolution": parts.get("res", "unknown"),
            "source": ADOPTED_SOURCE,
            "source_spans": encode_spans(merge_spans([window or _reach(candles, resolution)])),
            "price_unit": "usd",
            "volume_unit": UNKNOWN_UNIT,
        },
    )


def _parts(logical_key: str) -> Mapping[str, str]:
    try:
        return parse_key(EARLIER_SLICE, logical_key)
    except LogicalKeyError:
        return {}


def _window(parts: Mapping[str, str]) -> SourceSpan | None:
    """[from, to) of the key; None where it names none. A time without a zone is UTC."""
    ends = [earlier_instants(pa.array([parts.get(name)], pa.string()))[0].as_py() for name in ("from", "to")]
    if None in ends or not ends[0] < ends[1]:
        return None
    return SourceSpan(ends[0], ends[1])


def _reach(candles: pa.Table, resolution: timedelta | None) -> SourceSpan:
    if candles.num_rows == 0:
        return SourceSpan(_END_OF_TIME, _END_OF_TIME)
    limits: dict[str, datetime] = compute.min_max(candles["ts"]).as_py()
    return SourceSpan(limits["min"], limits["max"] + (resolution or _NO_KNOWN_RESOLUTION))


def _rows(table: pa.Table, parts: Mapping[str, str], window: SourceSpan | None) -> pa.Table:
    """The rows whose time can be read, with the candle columns and their number in ``table``, from 1."""
    instants = _instants(table, window)
    address = _address(table, parts)
    columns: dict[str, Any] = {
        "token_address": pa.repeat(address, table.num_rows),
        "chain": pa.repeat(_chain(address, parts), table.num_rows),
        "ts": instants,
        **{name: _numbers(table, name) for name in CANDLE_VALUES},
        "row_number": pa.array(range(1, table.num_rows + 1), pa.int64()),
    }
    rows = pa.table(columns)
    return rows.filter(compute.and_(compute.is_valid(instants), _is_of(table, address)))


def _instants(table: pa.Table, window: SourceSpan | None) -> pa.Array[Any]:
    """Times of the rows. The magnitude of an epoch stamp says its unit, and the key's window must agree."""
    name = next((name for name in _TIME_COLUMNS if name in table.column_names), None)
    if name is None:
        return pa.nulls(table.num_rows, UTC_TIMESTAMP)
    instants = earlier_instants(table[name])
    if window is None or not pa.types.is_integer(table[name].type):
        return instants
    start, end = (pa.scalar(limit, UTC_TIMESTAMP) for limit in (window.start - _NEAR, window.end + _NEAR))
    is_near = compute.and_(compute.greater_equal(instants, start), compute.less(instants, end))
    return compute.if_else(is_near, instants, None)  # type: ignore[no-any-return]


def _address(table: pa.Table, parts: Mapping[str, str]) -> str:
    """The slice's token: the key's, else the one of its rows. Raises InvalidInputError when they name several."""
    written = sorted({str(value) for value in compute.unique(_addresses(table)).to_pylist() if value is not None})
    if "token" not in parts and len(written) > 1:
        raise InvalidInputError(f"the slice names {len(written)} tokens and its logical key none: it has no series")
    address = parts.get("token") or (written[0] if written else "unknown")
    return address.lower() if _is_evm(address) else address


def _addresses(table: pa.Table) -> pa.ChunkedArray[Any]:
    if "token_address" not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    return compute.cast(table["token_address"], pa.string())  # type: ignore[no-any-return]


def _is_of(table: pa.Table, address: str) -> Any:
    """Rows of the slice's own token; a row that names none is its own."""
    written = compute.fill_null(_addresses(table), address)
    return compute.equal(compute.utf8_lower(written) if _is_evm(address) else written, address)


def _chain(address: str, parts: Mapping[str, str]) -> str:
    if "chain" in parts:
        return EVM_UNKNOWN if parts["chain"] == "evm" else parts["chain"]
    return EVM_UNKNOWN if _is_evm(address) else SOLANA


def _is_evm(address: str) -> bool:
    return re.fullmatch(r"0[xX][0-9a-fA-F]+", address) is not None


def _numbers(table: pa.Table, name: str) -> Any:
    """The column as float64; null where it holds no number and where there is no such column."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, pa.float64())
    values = table[name]
    try:
        return compute.cast(values, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.array([_number(value) for value in values.to_pylist()], pa.float64())


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None
