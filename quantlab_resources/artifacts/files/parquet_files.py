"""Artifacts as Parquet bytes: the only module that writes Parquet, and the verified read.

The bytes are a function of the content, the identity in the footer and the pinned Arrow version: no time, no run, no
pandas metadata. ZSTD, page checksums, dictionaries for text only, sorting columns set, one row group per 2**20 rows.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_type import value_type
from quantlab_core.artifacts.table_normal_form import row_order
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, InvalidInputError, SchemaError, first_line

MAX_DECODED_BYTES = 4 * 1024**3
"""Largest table that is stored or read: an 8.7 MB file can claim to hold 16 GB."""

IDENTITY_KEYS = ("artifact_type", "schema_version", "logical_key")
_ROW_GROUP_ROWS = 2**20
_ZSTD_LEVEL = 3
_ROWS_OF_A_PART = 2**14
_WORTH_THREADS_BYTES = 2**20


def sha256_of(data: bytes | memoryview) -> str:
    """The file hash as the manifest writes it: ``sha256:`` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def to_parquet(table: pa.Table, spec: ArtifactType, logical_key: str) -> memoryview:
    """The Parquet bytes of a table in normal form. Raises SchemaError for a table over `MAX_DECODED_BYTES`."""
    if table.get_total_buffer_size() > MAX_DECODED_BYTES < table.nbytes:  # buffers may hold more than the table
        raise SchemaError(
            f"{spec.label} {logical_key}: a table of {table.nbytes} bytes is over {MAX_DECODED_BYTES}; split it"
        )
    attributes = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    schema = _without_metadata(table.schema)
    sink = io.BytesIO()  # Arrow's own buffer doubles as it grows, and moves: three times the file for a moment
    with pq.ParquetWriter(
        sink,
        schema,
        version="2.6",
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        use_dictionary=_text_leaves(schema) or False,  # type: ignore[arg-type] # the stubs know no lists
        write_page_checksum=True,
        # Zone and list types are Parquet's own; Arrow's copy of the schema would add nothing but bytes.
        store_schema=False,
        sorting_columns=[pq.SortingColumn(schema.get_field_index(name)) for name in row_order(spec)] or None,
    ) as writer:
        writer.write_table(pa.table(table.columns, schema=schema), row_group_size=_ROW_GROUP_ROWS)
        identity = dict(zip(IDENTITY_KEYS, (spec.name, str(spec.version), logical_key), strict=True))
        writer.add_key_value_metadata(attributes | identity)
    return sink.getbuffer()


def plain_parquet(table: pa.Table) -> bytes:
    """The bytes of an ordinary Parquet file, for a table that is no artifact (a source file, say)."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def read_verified_bytes(files: ArtifactFiles, name: str, file_hash: str) -> bytes:
    """The bytes of a stored file, if they are what was recorded.

    Raises ArtifactMissingError, ArtifactDamagedError (other bytes), StorageError (the disk refused).
    """
    try:
        data = files.read(name)
    except ArtifactMissingError as error:
        raise ArtifactMissingError(f"{error}; restore it or publish its content again") from None
    found = sha256_of(data)
    if found.removeprefix("sha256:") != file_hash.removeprefix("sha256:"):
        raise ArtifactDamagedError(
            f"{files.location(name)} is damaged: its hash is {found}, recorded is {file_hash};"
            " see `quantlab lake verify`"
        )
    return data


def decode(data: bytes, *, origin: str, max_bytes: int = MAX_DECODED_BYTES) -> pa.Table:
    """The table in Parquet bytes, checked against ``max_bytes`` before and while it is decoded.

    Text is decoded as dictionaries first, so that a short value repeated a billion times is measured before it is
    spread out. Page checksums are checked. Raises InvalidInputError when it is no readable Parquet or too large.
    """
    with _parquet_errors(origin), _packed_file(data, origin, max_bytes) as (file, schema):
        return _spread_out(file.read(use_threads=len(data) > _WORTH_THREADS_BYTES), schema, origin, max_bytes)


def decode_in_parts(data: bytes, *, origin: str, max_bytes: int = MAX_DECODED_BYTES) -> Iterator[pa.Table]:
    """The same table in parts of some ten thousand rows, checked as by `decode`, before the first of them.

    For the check each column is decoded alone: parts whose text comes as dictionaries would hold all text of the parts
    before them.
    """
    with _parquet_errors(origin):
        with _packed_file(data, origin, max_bytes) as (packed, schema):
            columns = (column for name in schema.names for column in packed.read(columns=[name]).columns)
            _check_size(sum(map(_spread_size, columns)), origin, max_bytes)
        yield from decode_own_in_parts(data, origin=origin)


def decode_own(data: bytes | memoryview, *, origin: str) -> pa.Table:
    """The table in bytes that `to_parquet` has just made, whose size is known. Raises InvalidInputError."""
    with _parquet_errors(origin), pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        return file.read(use_threads=len(data) > _WORTH_THREADS_BYTES)


def decode_own_in_parts(data: bytes | memoryview, *, origin: str) -> Iterator[pa.Table]:
    """The same table in parts of some ten thousand rows, so that a large one is never in memory as a whole."""
    with _parquet_errors(origin), pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        for batch in file.iter_batches(_ROWS_OF_A_PART, use_threads=False):
            yield pa.Table.from_batches([batch]).replace_schema_metadata(file.schema_arrow.metadata)


def with_schema_of(table: pa.Table, spec: ArtifactType) -> pa.Table:
    """A decoded table with exactly the type's schema (descriptions included) and its attributes as schema metadata.

    Raises SchemaError when a stored column cannot be the type's column.
    """
    metadata = table.schema.metadata or {}
    attributes = {name: metadata[name.encode()].decode() for name in spec.attributes if name.encode() in metadata}
    plain = _without_metadata(spec.schema)
    try:
        columns = table if _without_metadata(table.schema) == plain else table.select(plain.names).cast(plain)
    except (KeyError, ValueError, pa.ArrowException) as error:
        reason = first_line(error)
        raise SchemaError(f"a stored table does not have the schema of {spec.label}: {reason}") from error
    return pa.table(columns.columns, schema=spec.schema.with_metadata(attributes))


def without_identity(table: pa.Table) -> pa.Table:
    """A decoded table without the identity that the footer carries."""
    kept = {key: value for key, value in (table.schema.metadata or {}).items() if key.decode() not in IDENTITY_KEYS}
    return table.replace_schema_metadata(kept or None)


@contextmanager
def _parquet_errors(origin: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InvalidInputError(f"{origin} cannot be read as Parquet: {first_line(error, at_most=200)}") from error


@contextmanager
def _packed_file(data: bytes, origin: str, max_bytes: int) -> Iterator[tuple[pq.ParquetFile, pa.Schema]]:
    """A file whose footer claims no more than ``max_bytes``, opened so that text comes as dictionaries; its schema."""
    with pq.ParquetFile(pa.BufferReader(data)) as probe:
        metadata, schema = probe.metadata, probe.schema_arrow
    _check_footer(metadata, schema, origin, max_bytes)
    text_columns = [field.name for field in schema if _is_text(field.type)]
    with pq.ParquetFile(
        pa.BufferReader(data), metadata=metadata, read_dictionary=text_columns, page_checksum_verification=True
    ) as file:
        yield file, schema


def _spread_out(packed: pa.Table, schema: pa.Schema, origin: str, max_bytes: int) -> pa.Table:
    """The table with its text spread out, once it is known to take no more than ``max_bytes`` then."""
    if _most_spread_size(packed) > max_bytes:
        _check_size(sum(_spread_size(column) for column in packed.columns), origin, max_bytes)
    # By type, not by name: "a.list.element" names a column, and the values of the list column "a".
    columns = [
        column if column.type == field.type else column.cast(field.type)
        for field, column in zip(schema, packed.columns, strict=True)
    ]
    fields = [pa.field(field.name, field.type, field.nullable) for field in schema]
    return pa.table(columns, schema=pa.schema(fields).with_metadata(schema.metadata))


def _check_footer(metadata: pq.FileMetaData, schema: pa.Schema, origin: str, max_bytes: int) -> None:
    width = sum(_width(field.type) for field in schema)
    _check_size(metadata.num_rows * width, origin, max_bytes)
    packed = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    _check_size(packed, origin, max_bytes)


def _check_size(size: int, origin: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInputError(
            f"{origin} would take {size} bytes of memory, more than the {max_bytes} allowed; split it"
        )


def _width(type_: pa.DataType) -> int:
    """Bytes that a row takes at least."""
    try:
        return max(1, type_.bit_width // 8)
    except ValueError:
        return 4


def _is_text(type_: pa.DataType) -> bool:
    return bool(pa.types.is_string(type_) or pa.types.is_binary(type_))


def _most_spread_size(packed: pa.Table) -> int:
    """No less than the sum of `_spread_size`, and quickly known: as if every text were a whole dictionary."""
    return packed.get_total_buffer_size() + sum(
        len(chunk) * chunk.dictionary.get_total_buffer_size()
        for column in packed.columns
        for chunk in column.chunks
        if isinstance(chunk, pa.DictionaryArray)
    )


def _spread_size(column: pa.ChunkedArray[Any]) -> int:
    size = 0
    for chunk in column.chunks:
        if isinstance(chunk, pa.DictionaryArray):
            lengths: pa.Array[Any] = pc.binary_length(chunk.dictionary).cast(pa.int64())  # type: ignore[call-overload]
            size += pc.sum(lengths.take(chunk.indices)).as_py() or 0
        else:
            size += chunk.nbytes
    return size


def _without_metadata(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, field.type, field.nullable) for field in schema])


def _text_leaves(schema: pa.Schema) -> list[str]:
    """Parquet paths of the text columns: ``name``, or ``name.list.element`` for lists of text."""
    leaves = []
    for field in schema:
        path, type_ = field.name, field.type
        while pa.types.is_list(type_):
            path, type_ = path + ".list.element", value_type(type_)
        if _is_text(type_):
            leaves.append(path)
    return leaves
