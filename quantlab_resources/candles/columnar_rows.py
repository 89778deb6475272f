"""Rows of Parquet files and Arrow (feather) files, with the types that they have there.

A file is measured before it is read: one beyond the limits is refused, not tried.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.raw_rows import FileStart, RawRows, first_line, refuse_repeated_names

MAX_CELLS = 40_000_000
MAX_UNPACKED_BYTES = 2 * 1024**3
MAX_ARROW_BYTES = 512 * 1024**2
PARQUET_MAGIC = b"PAR1"
ARROW_MAGIC = b"ARROW1"


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
    """All rows of a Parquet file. Raises CandleFileError when it is damaged or beyond the limits."""
    path = start.path
    try:
        with pa.parquet.ParquetFile(path) as file:
            footer = file.metadata
            cells = footer.num_rows * footer.num_columns
            stored = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
            if cells > MAX_CELLS or stored > MAX_UNPACKED_BYTES:
                raise CandleFileError(
                    f"{path}: {cells:,} cells ({stored:,} bytes unpacked) "
                    f"are more than one import takes ({MAX_CELLS:,} and {MAX_UNPACKED_BYTES:,}); split the file"
                )
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise CandleFileError(f"{path}: damaged Parquet file ({first_line(error)}); fetch it again") from error
    return _rows(start, table)


def read_arrow(start: FileStart) -> RawRows:
    """All rows of an Arrow file, as feather is; batch by batch, as its size unpacked stands nowhere beforehand.

    Raises CandleFileError when it is damaged or beyond the limits.
    """
    path = start.path
    if start.size > MAX_ARROW_BYTES:
        raise CandleFileError(
            f"{path}: {start.size:,} bytes are more than one Arrow import takes ({MAX_ARROW_BYTES:,}); split the file"
        )
    batches = []
    cells = stored = 0
    try:
        with pa.OSFile(str(path), "rb") as file:
            reader = pa.ipc.open_file(file)
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                batch.validate()
                cells += batch.num_rows * batch.num_columns
                stored += batch.nbytes
                if cells > MAX_CELLS or stored > MAX_UNPACKED_BYTES:
                    raise CandleFileError(
                        f"{path}: more than {MAX_CELLS:,} cells or {MAX_UNPACKED_BYTES:,} bytes unpacked "
                        "are more than one import takes; split the file"
                    )
                batches.append(batch)
            table = pa.Table.from_batches(batches, schema=reader.schema)
    except (pa.ArrowException, OSError) as error:
        raise CandleFileError(f"{path}: damaged Arrow file ({first_line(error)}); fetch it again") from error
    return _rows(start, table)


def _rows(start: FileStart, table: pa.Table) -> RawRows:
    refuse_repeated_names(start.path, table.column_names)
    return RawRows(table, np.arange(1, table.num_rows + 1, dtype=np.int64))
