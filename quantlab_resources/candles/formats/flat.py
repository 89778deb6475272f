"""One candle per row under named columns, as Parquet or CSV: the lab's own form."""

from __future__ import annotations

from pathlib import Path

from quantlab_resources.candles.candle_columns import recognise_columns
from quantlab_resources.candles.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.formats.format_rows import FormatRows
from quantlab_resources.candles.raw_rows import FileStart, read_raw_rows


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The rows of a Parquet or CSV file; the two are told apart by content.

    Raises NotFoundError, StorageError, and CandleFileError for other formats, damaged files and files beyond limits.
    """
    rows = read_raw_rows(path)
    return FormatRows(rows, recognise_columns(rows.table.column_names, subject=str(path)))


def recognises(start: FileStart) -> bool:
    """Parquet, or text that is not JSON."""
    return not start.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
