"""qlh1: the hash of a table's content, whatever library, chunking or encoding carried it.

The specification with test vectors is docs/content-identity.md. In short: SHA-256 over a header (row and column count),
then per column its name, logical type and values in one canonical layout, then the attributes by name.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_type import logical_type_name, value_type
from quantlab_core.artifacts.table_normal_form import to_normal_form

PREFIX = "qlh1:"
_MAGIC = b"qlh1\n"
_Piece = bytes | memoryview


def content_hash(table: pa.Table, spec: ArtifactType) -> str:
    """The content hash ``qlh1:<64 hex digits>`` of ``table`` as content of ``spec``. Raises SchemaError."""
    return hash_of_normal_form(to_normal_form(table, spec), spec)


def hash_of_normal_form(table: pa.Table, spec: ArtifactType) -> str:
    """The content hash of a table that `to_normal_form` made for ``spec``."""
    digest = hashlib.sha256()
    for piece in _encoded(table, spec):
        digest.update(piece)
    return PREFIX + digest.hexdigest()


def _encoded(table: pa.Table, spec: ArtifactType) -> Iterator[_Piece]:
    yield _MAGIC
    yield struct.pack("<QI", table.num_rows, table.num_columns)
    for name, column in zip(table.column_names, table.columns, strict=True):
        yield _text(name)
        yield _text(logical_type_name(column.type))
        yield from _encoded_values(column.chunks, column.type)
    metadata = table.schema.metadata or {}
    yield struct.pack("<I", len(spec.attributes))
    for name in sorted(spec.attributes):
        yield _text(name)
        yield _text(metadata[name.encode()].decode())


def _encoded_values(chunks: list[pa.Array[Any]], type_: pa.DataType) -> Iterator[_Piece]:
    """Count, validity bits, then the values; pass by pass over the chunks, so that chunk borders leave no trace."""
    count = sum(len(chunk) for chunk in chunks)
    yield struct.pack("<Q", count)
    yield _validity_bits(chunks, count)
    if pa.types.is_list(type_):
        for chunk in chunks:
            yield _lengths(pc.list_value_length(chunk))
        yield from _encoded_values([pc.list_flatten(chunk) for chunk in chunks], value_type(type_))
    elif pa.types.is_string(type_) or pa.types.is_binary(type_):
        chunks = [
            chunk if chunk.null_count == 0 else chunk.fill_null(b"" if pa.types.is_binary(type_) else "")
            for chunk in chunks
        ]
        for chunk in chunks:
            yield _lengths(pc.binary_length(chunk))  # type: ignore[call-overload]
        for chunk in chunks:
            yield _text_bytes(chunk)
    else:
        for chunk in chunks:
            yield _fixed_width_bytes(chunk)


def _validity_bits(chunks: list[pa.Array[Any]], count: int) -> _Piece:
    """One bit per value, least significant first, 1 for a value and 0 for null; the last byte is filled with zeros."""
    is_valid = np.ones(count, dtype=bool)
    start = 0
    for chunk in chunks:
        if chunk.null_count:
            is_valid[start : start + len(chunk)] = chunk.is_valid().to_numpy(zero_copy_only=False)
        start += len(chunk)
    return np.packbits(is_valid, bitorder="little").data


def _lengths(lengths: pa.Array[Any]) -> _Piece:
    """Lengths as unsigned 32-bit little-endian; null has length 0."""
    filled = lengths.fill_null(0) if lengths.null_count else lengths
    return filled.to_numpy().astype("<u4", copy=False).data


def _text_bytes(chunk: pa.Array[Any]) -> _Piece:
    if len(chunk) == 0:
        return b""
    _, offsets, data = chunk.buffers()
    if data is None or offsets is None:
        return b""
    ends = np.frombuffer(memoryview(offsets), dtype=np.int32)
    return memoryview(data)[int(ends[chunk.offset]) : int(ends[chunk.offset + len(chunk)])]


def _fixed_width_bytes(chunk: pa.Array[Any]) -> _Piece:
    """Values little-endian, zero where null; booleans as one byte each."""
    if len(chunk) == 0:
        return b""
    if pa.types.is_boolean(chunk.type):
        chunk = chunk.cast(pa.uint8())
    elif pa.types.is_temporal(chunk.type):
        chunk = chunk.view(pa.int32() if chunk.type.bit_width == 32 else pa.int64())
    if chunk.null_count:
        chunk = chunk.fill_null(0)
    values = chunk.to_numpy()
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).data


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<I", len(encoded)) + encoded
