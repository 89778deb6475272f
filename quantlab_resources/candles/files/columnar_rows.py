"""Rows of Parquet files and Arrow (feather) files, with the types that they have there.

A file is measured before it is read: one beyond the limits is refused, not tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from quantlab_core.candles.arrow_columns import Integers, compute, is_valid
from quantlab_core.errors import CandleFileError, first_line
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, refuse_larger, refuse_repeated_names

MAX_CELLS = 40_000_000
MAX_UNPACKED_BYTES = 512 * 1024**2
MAX_ARROW_BYTES = 512 * 1024**2
PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"
_BATCH_ROWS = 65_536


def column_names(start: FileStart) -> list[str]:
    """The columns of a Parquet or Arrow file; none for any other file and for a damaged one."""
    try:
        if start.head.startswith(PARQUET_MAGIC):
            return list(pa.parquet.read_schema(start.path).names)
        if start.head.startswith(ARROW_MAGIC):
            with pa.OSFile(str(start.path), "rb") as file:
                return list(pa.ipc.open_file(file).schema.names)
    except (pa.ArrowException, OSError):
        pass
    return []


def read_parquet(start: FileStart) -> RawRows:
    """All rows of a Parquet file. Raises CandleFileError when it is damaged, beyond the limits, or has nested columns.

    What the footer says of sizes counts a text once that every row repeats. So text is read as dictionaries, some rows
    at a time, and measured before it is spread out.
    """
    path = start.path
    batches = []
    cells = stored = 0
    try:
        with pa.parquet.ParquetFile(path) as file:
            footer, schema = file.metadata, file.schema_arrow
        _check_columns(path, schema)
        _check_footer(path, footer)
        texts, rows = _reading(footer)
        with pa.parquet.ParquetFile(path, metadata=footer, read_dictionary=texts) as file:
            plain = pa.schema([pa.field(field.name, _spread_type(field.type)) for field in file.schema_arrow])
            for batch in file.iter_batches(rows):
                cells += batch.num_rows * batch.num_columns
                stored += sum(map(_spread_size, batch.columns))
                _check_sizes(path, cells, stored)
                batches.append(batch.cast(plain))
            table = pa.Table.from_batches(batches, schema=plain)
    except (pa.ArrowException, OSError) as error:
        reason = first_line(error, at_most=200)
        raise CandleFileError(f"{path}: damaged Parquet file ({reason}); fetch it again") from error
    return RawRows(table, np.arange(1, table.num_rows + 1, dtype=np.int64))


def read_arrow(start: FileStart) -> RawRows:
    """All rows of an Arrow file, as feather is; batch by batch, as its size unpacked stands nowhere beforehand.

    Raises CandleFileError when it is damaged or beyond the limits.
    """
    path = start.path
    refuse_larger(start, MAX_ARROW_BYTES, "Arrow import")
    batches = []
    cells = stored = 0
    try:
        with pa.OSFile(str(path), "rb") as file:
            reader = pa.ipc.open_file(file)
            _check_columns(path, reader.schema)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate()
                cells += batch.num_rows * batch.num_columns
                stored += sum(map(_spread_size, batch.columns))
                _check_sizes(path, cells, stored)
                batches.append(batch)
            table = pa.Table.from_batches(batches, schema=reader.schema)
    except (pa.ArrowException, OSError) as error:
        reason = first_line(error, at_most=200)
        raise CandleFileError(f"{path}: damaged Arrow file ({reason}); fetch it again") from error
    return RawRows(table, np.arange(1, table.num_rows + 1, dtype=np.int64))


def _check_columns(path: Path, schema: pa.Schema) -> None:
    """Refuse equal names, and columns that hold several values in a row: nothing is read from them or bounds them."""
    refuse_repeated_names(path, schema.names)
    nested = next((field.name for field in schema if not _is_flat(field.type)), None)
    if nested is not None:
        raise CandleFileError(f"{path}: its column {nested!r} holds lists or structures; write the file without it")


def _is_flat(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _is_flat(kind.storage_type)
    if isinstance(kind, pa.DictionaryType):
        return _is_flat(kind.value_type)
    return not (pa.types.is_nested(kind) or pa.types.is_run_end_encoded(kind))


def _check_footer(path: Path, footer: pa.parquet.FileMetaData) -> None:
    packed = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
    fixed = footer.num_rows * sum(max(0, leaf.length or 0) for leaf in _leaves(footer))
    _check_sizes(path, footer.num_rows * footer.num_columns, max(packed, fixed))


def _check_sizes(path: Path, cells: int, stored: int) -> None:
    if cells > MAX_CELLS or stored > MAX_UNPACKED_BYTES:
        raise CandleFileError(
            f"{path}: {cells:,} cells or {stored:,} bytes unpacked are more than one import takes "
            f"({MAX_CELLS:,} and {MAX_UNPACKED_BYTES:,}); split the file"
        )


def _reading(footer: pa.parquet.FileMetaData) -> tuple[list[str], int]:
    """Which columns are decoded as dictionaries: text; and how many rows at a time.

    Text in one of the DELTA encodings cannot be decoded so; Arrow refuses it, also where the footer hides the encoding.
    Each value can be as long as its column is in the file, made from the one before: so few rows.
    """
    texts = {leaf.path: 0 for leaf in _leaves(footer) if leaf.physical_type == "BYTE_ARRAY"}
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for chunk in map(group.column, range(footer.num_columns)):
            name = chunk.path_in_schema
            if name in texts and any(encoding.startswith("DELTA") for encoding in chunk.encodings):
                texts[name] = max(texts[name], chunk.total_uncompressed_size)
    longest = sum(texts.values())
    rows = min(_BATCH_ROWS, MAX_UNPACKED_BYTES // longest) if longest else _BATCH_ROWS
    return [name for name, size in texts.items() if not size], max(1, rows)


def _leaves(footer: pa.parquet.FileMetaData) -> list[pa.parquet.ColumnSchema]:
    return [footer.schema.column(place) for place in range(footer.num_columns)]


def _spread_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def _spread_size(column: pa.Array[Any]) -> int:
    """Bytes of a column when every value is written out: a dictionary or a view names one text many times."""
    if isinstance(column, pa.DictionaryArray):
        lengths = pa.array(_lengths(column.dictionary))
        return int(compute.sum(compute.take(lengths, column.indices)).as_py() or 0) + 4 * len(column)
    return max(column.nbytes, int(_lengths(column).sum()) if _is_text(column.type) else 0)


def _lengths(values: pa.Array[Any]) -> Integers:
    """Bytes of each value; 0 for null."""
    kind: Any = values.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        # Arrow 26 cannot tell the length of a view, the first of the four numbers that make one.
        buffer: Any = values.buffers()[1]
        views = np.frombuffer(buffer, np.int32).reshape(-1, 4)[values.offset : values.offset + len(values), 0]
        return np.where(is_valid(values), views, 0).astype(np.int64)
    if not _is_text(kind):
        return np.full(len(values), -(-values.nbytes // max(1, len(values))), dtype=np.int64)
    found = compute.fill_null(compute.binary_length(values), 0)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
    )
