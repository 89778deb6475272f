"""The rows of a candle file as they stand in it, before anything is interpreted.

CSV is read as text throughout, so that nothing is guessed and a rejected row can be shown as it was. Both formats are
measured before they are read: a file beyond the limits is refused, not tried.
"""

from __future__ import annotations

import codecs
import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from quantlab_core.candles.arrow_columns import Integers
from quantlab_core.errors import CandleFileError, NotFoundError, StorageError

MAX_CSV_BYTES = 512 * 1024**2
MAX_PARQUET_CELLS = 40_000_000
MAX_PARQUET_BYTES = 2 * 1024**3
_HEADER_BYTES = 64 * 1024
_PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class MalformedRow:
    """A row that is beyond use, such as a line with the wrong number of fields.

    ``row_number`` counts from 1, without header and blank lines; ``text`` is the row as it stands in the file;
    ``rule_id`` is one of `validation.RULES`.
    """

    row_number: int
    text: str
    reason: str
    rule_id: str = "row_malformed"


@dataclass(frozen=True, slots=True)
class RawRows:
    """``table`` has the file's columns and types (CSV: text); ``row_numbers`` are theirs in the file, from 1."""

    table: pa.Table
    row_numbers: Integers
    malformed: tuple[MalformedRow, ...] = ()

    @property
    def total(self) -> int:
        """Rows of the file."""
        return self.table.num_rows + len(self.malformed)


@dataclass(frozen=True, slots=True)
class FileStart:
    """The first bytes of a file, for telling its format. ``head`` is all of it when the file is short."""

    path: Path
    head: bytes
    size: int

    @property
    def is_whole(self) -> bool:
        """Whether ``head`` is the whole file."""
        return len(self.head) >= self.size


def file_start(path: Path) -> FileStart:
    """The first 64 KiB of a file. Raises NotFoundError, StorageError."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
        return FileStart(path, head, path.stat().st_size)
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: candle file not found; check the path") from error
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error


def read_raw_rows(path: Path) -> RawRows:
    """The rows of a Parquet or CSV file; the format is told by content.

    Raises NotFoundError, StorageError, and CandleFileError for other formats, damaged files and files beyond limits.
    """
    start = file_start(path)
    if start.head.startswith(_PARQUET_MAGIC):
        return _read_parquet(path)
    return _read_csv(path, start.head, start.size)


def _read_parquet(path: Path) -> RawRows:
    try:
        with pa.parquet.ParquetFile(path) as file:
            footer = file.metadata
            cells = footer.num_rows * footer.num_columns
            stored = sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
            if cells > MAX_PARQUET_CELLS or stored > MAX_PARQUET_BYTES:
                raise CandleFileError(
                    f"{path}: {cells:,} cells ({stored:,} bytes unpacked) "
                    f"are more than one import takes ({MAX_PARQUET_CELLS:,} and {MAX_PARQUET_BYTES:,}); split the file"
                )
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise CandleFileError(f"{path}: damaged Parquet file ({_one_line(error)}); fetch it again") from error
    _refuse_repeated(path, table.column_names)
    return RawRows(table, np.arange(1, table.num_rows + 1, dtype=np.int64))


def _read_csv(path: Path, start: bytes, size: int) -> RawRows:
    header = _header(path, start)
    if size > MAX_CSV_BYTES:
        raise CandleFileError(
            f"{path}: {size:,} bytes are more than one CSV import takes ({MAX_CSV_BYTES:,}); split the file"
        )
    skipped: list[Any] = []

    def skip(row: Any) -> Literal["skip"]:
        skipped.append(row)
        return "skip"

    try:
        table = pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(use_threads=False),
            parse_options=pa.csv.ParseOptions(invalid_row_handler=skip),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise CandleFileError(
            f"{path}: cannot be read as CSV ({_one_line(error)}); fetch or export it again"
        ) from error
    malformed = tuple(
        MalformedRow(
            row.number - 1, row.text, f"{row.actual_columns} fields where the header has {row.expected_columns}"
        )
        for row in skipped
    )
    every_number = np.arange(1, table.num_rows + len(malformed) + 1, dtype=np.int64)
    skipped_numbers = np.array([row.row_number for row in malformed], dtype=np.int64)
    return RawRows(table, np.setdiff1d(every_number, skipped_numbers, assume_unique=True), malformed)


def _header(path: Path, start: bytes) -> list[str]:
    """Column names of the first line that is not blank."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise CandleFileError(f"{path}: neither Parquet nor CSV in UTF-8; convert it to one of them")
    if text.lstrip().startswith(("{", "[")):
        raise CandleFileError(f"{path}: looks like JSON; candle files are read as Parquet or as CSV with a header")
    lines = (row for row in csv.reader(StringIO(text)) if row)
    header = next(lines, None)
    if header is None:
        raise CandleFileError(f"{path}: the file is empty; there is nothing to import")
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise CandleFileError(f"{path}: its fields are not separated by commas; save it as comma-separated CSV")
    if all(_is_number(name) for name in header):
        raise CandleFileError(
            f"{path}: its first line holds numbers; add a header such as ts,open,high,low,close,volume"
        )
    _refuse_repeated(path, header)
    if len(start) < _HEADER_BYTES and next(lines, None) is None:
        raise CandleFileError(f"{path}: the file has a header and no rows; there is nothing to import")
    return header


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse_repeated(path: Path, names: list[str]) -> None:
    repeated = next((name for position, name in enumerate(names) if name in names[:position]), None)
    if repeated is not None:
        raise CandleFileError(f"{path}: two columns are named {repeated!r}; rename or remove one")


def _one_line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200]
