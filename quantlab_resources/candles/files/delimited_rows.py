"""Rows of comma- or tab-separated values, all as text: nothing is guessed, and a row can be shown as it was.

A file is measured before it is read: one beyond the limit is refused, not tried.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv

from quantlab_core.errors import CandleFileError, first_line
from quantlab_resources.candles.files.raw_rows import (
    HEAD_BYTES,
    FileStart,
    MalformedRow,
    RawRows,
    refuse_larger,
    refuse_repeated_names,
)

MAX_TEXT_BYTES = 512 * 1024**2


def read_delimited(
    start: FileStart, header: Sequence[str], *, header_lines: int = 1, delimiter: str = ",", quoted: bool = True
) -> RawRows:
    """The rows below the header; lines with more or fewer fields than ``header`` are malformed.

    ``header_lines`` counts the lines that are no rows: 0 where the file names no columns and ``header`` is the format's
    own, 2 where a line of types follows the names. Raises CandleFileError.
    """
    path = start.path
    refuse_repeated_names(path, list(header))
    refuse_larger(start, MAX_TEXT_BYTES, "CSV import")
    skipped: list[Any] = []

    def skip(row: Any) -> Literal["skip"]:
        skipped.append(row)
        return "skip"

    try:
        table = pa.csv.read_csv(
            path,
            read_options=pa.csv.ReadOptions(
                use_threads=False,
                column_names=list(header) if header_lines == 0 else None,
                skip_rows_after_names=max(header_lines - 1, 0),
            ),
            parse_options=pa.csv.ParseOptions(
                invalid_row_handler=skip, delimiter=delimiter, quote_char='"' if quoted else False
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={name: pa.string() for name in header}, strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, OSError) as error:
        reason = first_line(error, at_most=200)
        raise CandleFileError(f"{path}: cannot be read as CSV ({reason}); fetch or export it again") from error
    malformed = tuple(
        MalformedRow(
            row.number - header_lines,
            row.text,
            f"{row.actual_columns} fields where the header has {row.expected_columns}",
        )
        for row in skipped
    )
    every_number = np.arange(1, table.num_rows + len(malformed) + 1, dtype=np.int64)
    skipped_numbers = np.array([row.row_number for row in malformed], dtype=np.int64)
    return RawRows(table, np.setdiff1d(every_number, skipped_numbers, assume_unique=True), malformed)


def first_fields(start: FileStart, *, lines: int = 3, delimiter: str = ",", quoted: bool = True) -> list[list[str]]:
    """Fields of the first lines that are not blank; none when the file is no text in UTF-8."""
    text = start_text(start)
    if text is None:
        return []
    whole_lines = text if start.is_whole else text[: text.rfind("\n") + 1] or text
    try:
        reader = csv.reader(
            StringIO(whole_lines), delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        )
        rows = (row for row in reader if row)
        return [row for row, _ in zip(rows, range(lines), strict=False)]
    except csv.Error:
        return []


def start_text(start: FileStart) -> str | None:
    """The start of the file as text, without byte order mark; None when it is no text in UTF-8."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start.head)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def is_number(text: str) -> bool:
    """Whether a field holds a number, and so is no column's name."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_cut_short(start: FileStart) -> bool:
    """Whether there may be more lines than the start shows."""
    return len(start.head) >= HEAD_BYTES
