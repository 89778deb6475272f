"""qlh1: the hash of a table's content, whatever library, chunking or encoding carried it.

The specification with test vectors is docs/content-identity.md. In short: SHA-256 over a header (row and column count),
then per column its name, logical type and values in one canonical layout, then the attributes by name.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from functools import lru_cache
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
    digest = hashlib.sha256(_MAGIC + struct.pack("<QI", table.num_rows, table.num_columns))
    for field, column in zip(table.schema, table.columns, strict=True):
        digest.update(_heading(field.name, field.type))
        for piece in _encoded_values(column.chunks, field.type):
            digest.update(piece)
    digest.update(_encoded_attributes(table.schema.metadata or {}, spec))
    return PREFIX + digest.hexdigest()


@lru_cache(maxsize=1024)
def _heading(name: str, type_: pa.DataType) -> bytes:
    return _text(name) + _text(logical_type_name(type_))


def _encoded_values(chunks: list[pa.Array[Any]], type_: pa.DataType) -> list[_Piece]:
    """Count, validity bits, then the values; pass by pass over the chunks, so that chunk borders leave no trace."""
    count = sum(len(chunk) for chunk in chunks)
    start: list[_Piece] = [struct.pack("<Q", count), _validity_bits(chunks, count)]
    if pa.types.is_list(type_):
        lengths = [_lengths(pc.list_value_length(chunk)) for chunk in chunks]
        return start + lengths + _encoded_values([pc.list_flatten(chunk) for chunk in chunks], value_type(type_))
    if pa.types.is_string(type_) or pa.types.is_binary(type_):
        empty = b"" if pa.types.is_binary(type_) else ""
        texts = [_text_parts(chunk.fill_null(empty) if chunk.null_count else chunk) for chunk in chunks if len(chunk)]
        return start + [lengths for lengths, _ in texts] + [data for _, data in texts]
    return start + [_fixed_width_bytes(chunk) for chunk in chunks]


def _validity_bits(chunks: list[pa.Array[Any]], count: int) -> _Piece:
    """One bit per value, least significant first, 1 for a value and 0 for null; the last byte is filled with zeros."""
    if not any(chunk.null_count for chunk in chunks):
        whole, rest = divmod(count, 8)
        return b"\xff" * whole + bytes([(1 << rest) - 1] if rest else [])
    is_valid = np.concatenate([chunk.is_valid().to_numpy(zero_copy_only=False) for chunk in chunks])
    return np.packbits(is_valid, bitorder="little").data


def _lengths(lengths: pa.Array[Any]) -> _Piece:
    """Lengths as unsigned 32-bit little-endian; null has length 0."""
    filled = lengths.fill_null(0) if lengths.null_count else lengths
    return filled.to_numpy().astype("<u4", copy=False).data


def _text_parts(chunk: pa.Array[Any]) -> tuple[_Piece, _Piece]:
    """The lengths of the texts in a chunk without nulls, and the texts joined."""
    _, offsets, data = (memoryview(buffer or b"") for buffer in chunk.buffers())
    ends = np.frombuffer(offsets, dtype=np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    lengths = (ends[1:] - ends[:-1]).astype("<u4", copy=False)
    return lengths.data, data[int(ends[0]) : int(ends[-1])]


def _fixed_width_bytes(chunk: pa.Array[Any]) -> _Piece:
    """Values little-endian, zero where null; booleans as one byte each."""
    if len(chunk) == 0:
        return b""
    if pa.types.is_boolean(chunk.type):
        chunk = chunk.cast(pa.uint8())
    width = chunk.type.bit_width // 8
    if chunk.null_count:
        plain = chunk if not pa.types.is_temporal(chunk.type) else chunk.view(pa.int32() if width == 4 else pa.int64())
        chunk = plain.fill_null(0)
    values = memoryview(chunk.buffers()[1] or b"")[chunk.offset * width : (chunk.offset + len(chunk)) * width]
    return values if np.little_endian else np.frombuffer(values, dtype=f"u{width}").byteswap().data


def _encoded_attributes(metadata: Mapping[bytes, bytes], spec: ArtifactType) -> bytes:
    named = (_text(name) + _text(metadata[name.encode()].decode()) for name in sorted(spec.attributes))
    return struct.pack("<I", len(spec.attributes)) + b"".join(named)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<I", len(encoded)) + encoded
