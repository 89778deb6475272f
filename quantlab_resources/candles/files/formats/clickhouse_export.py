"""Exports of the ClickHouse tables of the earlier system: CSV and TSV with or without names, JSONEachRow, Parquet.

    token_address,chain,timestamp,interval,open,high,low,close,volume

A row names its token, chain and interval (seconds or text); an export of several intervals is refused, for one import
holds one. Where there are ``quality_score`` and ``ingested_at``, they decide between rows of one minute before the rule
for duplicates does. Times are seconds, or text in the server's zone, which is then declared. Units are declared. An
export without names is read when it has the nine columns above in this order.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_columns import plain_name
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.collected_rows import CollectedRows
from quantlab_resources.candles.files.columnar_rows import PARQUET_MAGIC, column_names, read_parquet
from quantlab_resources.candles.files.delimited_rows import (
    MAX_TEXT_BYTES,
    first_fields,
    is_number,
    read_delimited,
    start_text,
)
from quantlab_resources.candles.files.formats.format_rows import FormatRows, rows_under_names
from quantlab_resources.candles.files.formats.json_shapes import begins_with_object
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, file_start, opened, refuse_larger

NAMES = ("token_address", "chain", "timestamp", "interval", "open", "high", "low", "close", "volume")
MAX_LINE_BYTES = 64 * 1024
_INTERVALS = {"interval", "interval_seconds"}


def recognises(start: FileStart) -> bool:
    """Columns of the earlier tables by name: token, time and interval, whatever else there is."""
    names = column_names(start)
    if not names and begins_with_object(start):
        names = list(_first_object(start))
    elif not names:
        delimiter = _delimiter(start)
        names = next(iter(first_fields(start, lines=1, delimiter=delimiter, quoted=delimiter == ",")), [])
    plain = {plain_name(name) for name in names}
    return {"token_address", "timestamp", "open", "close"} <= plain and bool(plain & _INTERVALS)


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The rows of the export. Raises NotFoundError, StorageError, CandleFileError."""
    start = file_start(path)
    if start.head.startswith(PARQUET_MAGIC):
        rows = read_parquet(start)
    elif begins_with_object(start):
        rows = _from_lines(start)
    else:
        rows = _from_text(start)
    return rows_under_names(start, rows)


def _from_text(start: FileStart) -> RawRows:
    if start_text(start) is None:
        raise CandleFileError(
            f"{start.path}: neither Parquet nor text in UTF-8; export as CSVWithNames, JSONEachRow or Parquet"
        )
    delimiter = _delimiter(start)
    quoted = delimiter == ","
    lines = first_fields(start, lines=2, delimiter=delimiter, quoted=quoted)
    if not lines:
        raise CandleFileError(f"{start.path}: the file is empty; there is nothing to import")
    header: list[str] | tuple[str, ...] = lines[0]
    header_lines = 1
    if any(is_number(field) for field in header):
        if len(header) != len(NAMES):
            raise CandleFileError(
                f"{start.path}: {len(header)} columns without names are not {', '.join(NAMES)}; "
                "export them as CSVWithNames"
            )
        header, header_lines = NAMES, 0
    elif len(lines) > 1 and _are_types(lines[1]):
        header_lines = 2
    return read_delimited(start, header, header_lines=header_lines, delimiter=delimiter, quoted=quoted)


def _delimiter(start: FileStart) -> str:
    first = (start_text(start) or "").lstrip().split("\n", 1)[0]
    return "\t" if "\t" in first else ","


def _are_types(fields: list[str]) -> bool:
    """The second line of ``…WithNamesAndTypes``."""
    return any(
        field.startswith(("String", "LowCardinality", "DateTime", "UInt", "Float", "Nullable")) for field in fields
    )


def _from_lines(start: FileStart) -> RawRows:
    """JSONEachRow: one object per line. A line that is none is malformed."""
    refuse_larger(start, MAX_TEXT_BYTES, "import")
    rows = CollectedRows(start)
    with opened(start.path) as file:
        while line := file.readline(MAX_LINE_BYTES):
            if not line.strip():
                continue
            if len(line) == MAX_LINE_BYTES:
                raise CandleFileError(
                    f"{start.path}: row {rows.count + 1} is longer than {MAX_LINE_BYTES:,} bytes; "
                    "export it as JSONEachRow, one row per line"
                )
            found = _object(line)
            if found is None:
                rows.add_malformed(line.decode("utf-8", "backslashreplace").strip(), "the line is no JSON object")
            else:
                rows.add(found)
    return rows.rows()


def _first_object(start: FileStart) -> dict[str, Any]:
    return _object(start.head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]) or {}


def _object(line: bytes) -> dict[str, Any] | None:
    """The object of a line, its numbers as they are written; None for anything else."""
    try:
        found = json.loads(line.removeprefix(b"\xef\xbb\xbf"), parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
