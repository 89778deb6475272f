"""The contract of a format: it gives a file's rows as they stand, and what the file itself says about them.

A format's module has two functions. ``read(path, declaration)`` gives `FormatRows`; it interprets neither times nor
numbers nor tokens, for that is done in one place for all formats. ``recognises(start)`` says whether a file is of this
format for certain, by its content alone; where another format could look the same it says no, and the user names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from quantlab_core.candles.interval_detection import stated_resolution
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_resources.candles.files.candle_columns import recognise_columns
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows


@dataclass(frozen=True, slots=True)
class FormatRows:
    """The rows of a file and what its format states; None where it says nothing.

    ``columns`` has for every field of `candle_columns.COLUMN_NAMES` that the format gives the column of ``rows.table``
    that holds it. Row numbers are those of the file, from 1, and name each row once; rows that are beyond use are in
    ``rows.malformed`` with a rule of `validation.RULES`. ``resolution``, ``price_unit`` and ``volume_unit`` hold for
    every row. ``token`` and ``chain`` stand for the whole file; where rows name theirs, they are columns. ``span`` is
    for what time the source was asked. ``fetched_at`` is when it answered, for the whole file; a column of the table
    named by the field ``fetched_at`` says it per row. ``fills_before_first_trade``: the source writes flat candles of
    volume 0 before a token's first trade. ``notes`` are lines for the user about what the reader did.
    """

    rows: RawRows
    columns: Mapping[str, str]
    resolution: str | None = None
    price_unit: str | None = None
    volume_unit: str | None = None
    token: str | None = None
    chain: str | None = None
    span: SourceSpan | None = None
    fetched_at: datetime | None = None
    fills_before_first_trade: bool = False
    notes: tuple[str, ...] = ()


def rows_under_names(start: FileStart, rows: RawRows) -> FormatRows:
    """Rows whose columns have names that are known, and the interval where one of them names it.

    Raises CandleFileError when no column holds times, or when rows name several intervals.
    """
    subject = str(start.path)
    columns = recognise_columns(rows.table.column_names, subject=subject)
    interval = columns.pop("interval", None)
    resolution = interval and stated_resolution(rows.table[interval], row_numbers=rows.row_numbers, subject=subject)
    return FormatRows(rows, columns, resolution=resolution)


@dataclass(frozen=True, slots=True)
class CandleFormat:
    """One format by name. ``assumes_house_units``: what is neither stated nor declared is 1m, usd and usd."""

    name: str
    summary: str
    recognises: Callable[[FileStart], bool]
    read: Callable[[Path, CandleFileDeclaration], FormatRows]
    assumes_house_units: bool = False
