"""A second implementation of qlh1, from the written specification alone: rows of Python values, no Arrow, no numpy.

It is slow and plain on purpose. It takes columns that are already in normal form.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

_STRUCT_CODES = {
    "bool": "<B", "int8": "<b", "int16": "<h", "int32": "<i", "int64": "<q",
    "uint8": "<B", "uint16": "<H", "uint32": "<I", "uint64": "<Q",
    "float32": "<f", "float64": "<d", "date": "<i", "timestamp[us]": "<q", "timestamp[us, UTC]": "<q",
}  # fmt: skip
_CANONICAL_NAN = {"float32": bytes.fromhex("0000c07f"), "float64": bytes.fromhex("000000000000f87f")}


def qlh1(columns: Sequence[tuple[str, str, Sequence[Any]]], attributes: Mapping[str, str]) -> str:
    """The hash of columns given as (name, logical type, values) and of attributes."""
    rows = len(columns[0][2]) if columns else 0
    stream = b"qlh1\n" + struct.pack("<QI", rows, len(columns))
    for name, type_, values in columns:
        stream += text(name) + text(type_) + encoded(type_, values)
    stream += struct.pack("<I", len(attributes))
    for name in sorted(attributes):
        stream += text(name) + text(attributes[name])
    return "qlh1:" + hashlib.sha256(stream).hexdigest()


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


def encoded(type_: str, values: Sequence[Any]) -> bytes:
    stream = struct.pack("<Q", len(values)) + validity(values)
    if type_.startswith("list<"):
        stream += b"".join(struct.pack("<I", 0 if value is None else len(value)) for value in values)
        inner = [item for value in values if value is not None for item in value]
        return stream + encoded(type_[5:-1], inner)
    if type_ in ("string", "binary"):
        data = [b"" if value is None else value if isinstance(value, bytes) else value.encode() for value in values]
        return stream + b"".join(struct.pack("<I", len(item)) for item in data) + b"".join(data)
    return stream + b"".join(fixed(type_, value) for value in values)


def validity(values: Sequence[Any]) -> bytes:
    bits = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        bits[index // 8] |= (value is not None) << (index % 8)
    return bytes(bits)


def fixed(type_: str, value: Any) -> bytes:
    if isinstance(value, float) and math.isnan(value):
        return _CANONICAL_NAN[type_]
    if isinstance(value, datetime):
        epoch = datetime(1970, 1, 1, tzinfo=UTC if value.tzinfo else None)
        value = (value - epoch) // timedelta(microseconds=1)
    elif isinstance(value, date):
        value = (value - date(1970, 1, 1)).days
    return struct.pack(_STRUCT_CODES[type_], 0 if value is None else value)
