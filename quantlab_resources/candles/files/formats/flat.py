"""One candle per row under named columns, as Parquet or CSV: the lab's own form."""

from __future__ import annotations

from pathlib import Path

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_columns import COLUMN_NAMES, plain_name
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.columnar_rows import ARROW_MAGIC, PARQUET_MAGIC, column_names, read_parquet
from quantlab_resources.candles.files.delimited_rows import (
    first_fields,
    is_cut_short,
    is_number,
    read_delimited,
    start_text,
)
from quantlab_resources.candles.files.formats.format_rows import FormatRows, rows_under_names
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, file_start, refuse_repeated_names


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The rows of a Parquet or CSV file; the two are told apart by content.

    Raises NotFoundError, StorageError, and CandleFileError for other formats, damaged files and files beyond limits.
    """
    start = file_start(path)
    return rows_under_names(start, read_named_rows(start))


def recognises(start: FileStart) -> bool:
    """Parquet or a CSV header with a time and prices under names that are known."""
    header = column_names(start) or next(iter(first_fields(start, lines=1)), [])
    known = {plain_name(name) for name in header}
    return all(known & set(COLUMN_NAMES[field]) for field in ("ts", "open", "close"))


def read_named_rows(start: FileStart) -> RawRows:
    """The rows of a Parquet file, or of a CSV file whose first line is a header. Raises CandleFileError."""
    if start.head.startswith(PARQUET_MAGIC):
        return read_parquet(start)
    return read_delimited(start, _header(start))


def _header(start: FileStart) -> list[str]:
    """Column names of the first line that is not blank."""
    path, text = start.path, start_text(start)
    if text is None:
        what = "an Arrow (feather) file; --source freqtrade reads them" if _is_arrow(start) else None
        raise CandleFileError(f"{path}: {what or 'neither Parquet nor CSV in UTF-8; convert it to one of them'}")
    if text.lstrip().startswith(("{", "[")):
        raise CandleFileError(f"{path}: looks like JSON; name what it is with --source")
    lines = first_fields(start, lines=2)
    if not lines:
        raise CandleFileError(f"{path}: the file is empty; there is nothing to import")
    header = lines[0]
    if len(header) == 1 and any(separator in header[0] for separator in ";\t|"):
        raise CandleFileError(f"{path}: its fields are not separated by commas; save it as comma-separated CSV")
    if all(is_number(name) for name in header):
        raise CandleFileError(
            f"{path}: its first line holds numbers; add a header such as ts,open,high,low,close,volume, "
            "or name what it is with --source"
        )
    refuse_repeated_names(path, header)
    if len(lines) == 1 and not is_cut_short(start):
        raise CandleFileError(f"{path}: the file has a header and no rows; there is nothing to import")
    return header


def _is_arrow(start: FileStart) -> bool:
    return start.head.startswith(ARROW_MAGIC)
