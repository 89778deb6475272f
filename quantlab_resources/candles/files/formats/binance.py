"""Binance's klines of twelve values: its public CSV files, with or without a header, and the answers of its API.

    1637971200000,0.00002853,0.00002854,0.00002851,0.00002854,36304.2,1637971259999,1.03547608,79,19523.0,0.55694227,0

Times are milliseconds, in the spot market's files since 2025 microseconds; API answers write numbers as text. A kline
states its interval by the time of its close, and by its turnover that volume counts the coin. The coin that prices are
in is not in the file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.collected_rows import CollectedRows
from quantlab_resources.candles.files.delimited_rows import first_fields, is_number, read_delimited
from quantlab_resources.candles.files.formats.exchange_volume import counts_the_coin
from quantlab_resources.candles.files.formats.format_rows import FormatRows
from quantlab_resources.candles.files.formats.json_shapes import begins_with_array, first_inner_array
from quantlab_resources.candles.files.json_stream import json_parts
from quantlab_resources.candles.files.number_columns import parse_numbers
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, file_start

_NAMES = (
    "open_time", "open", "high", "low", "close", "volume",
    "close_time", "quote_volume", "count", "taker_buy_volume", "taker_buy_quote_volume", "ignore",
)  # fmt: skip
_COLUMNS = {"ts": "open_time", **{name: name for name in ("open", "high", "low", "close", "volume")}}
_CLOSE = _NAMES.index("close_time")
_MILLISECONDS_BELOW = 10**14


def recognises(start: FileStart) -> bool:
    """Twelve values of which the seventh is a close time a moment before a whole interval, or Binance's own header."""
    if begins_with_array(start):
        return _is_kline(first_inner_array(start))
    lines = first_fields(start, lines=2)
    if not lines or len(lines[0]) != len(_NAMES):
        return False
    return _is_kline(lines[0]) or (_is_header(lines[0]) and len(lines) > 1 and _is_kline(lines[1]))


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The klines of the file. Raises NotFoundError, StorageError, CandleFileError."""
    start = file_start(path)
    rows = _from_json(start) if begins_with_array(start) else _from_csv(start)
    return FormatRows(
        rows,
        _COLUMNS,
        resolution=_resolution(rows, str(path)),
        volume_unit="token" if counts_the_coin(rows.table, _COLUMNS, "quote_volume") else None,
    )


def _from_json(start: FileStart) -> RawRows:
    klines = CollectedRows(start)
    for keys, part in json_parts(start):
        if keys == ():
            klines.add_values(_NAMES, part)
    return klines.rows()


def _from_csv(start: FileStart) -> RawRows:
    first = next(iter(first_fields(start, lines=1)), [])
    if len(first) != len(_NAMES):
        raise CandleFileError(
            f"{start.path}: a kline of Binance has {len(_NAMES)} values, the first line has {len(first)}; "
            "a file with other columns under a header is read by --source flat"
        )
    rows = read_delimited(start, first if _is_header(first) else _NAMES, header_lines=int(_is_header(first)))
    return RawRows(rows.table.rename_columns(list(_NAMES)), rows.row_numbers, rows.malformed)


def _is_header(fields: list[str]) -> bool:
    return fields[0].strip().lower().replace(" ", "_") == "open_time"


def _is_kline(values: list[str]) -> bool:
    if len(values) != len(_NAMES) or not all(is_number(value) for value in values):
        return False
    lengths = _lengths(np.array([float(values[0])]), np.array([float(values[_CLOSE])]))
    return float(lengths[0]) in {length.total_seconds() for length in RESOLUTIONS.values()}


def _resolution(rows: RawRows, subject: str) -> str | None:
    """The interval by the rows' own times of open and close. Raises CandleFileError for two, or for another."""
    if rows.table.num_rows == 0:
        return None
    opened, closed = (
        parse_numbers(rows.table, name)[0].to_numpy(zero_copy_only=False) for name in ("open_time", "close_time")
    )
    known = np.isfinite(opened) & np.isfinite(closed)
    lengths = _lengths(opened[known], closed[known])
    found, first_rows = np.unique(lengths, return_index=True)
    numbers = rows.row_numbers[known]
    names = {length.total_seconds(): name for name, length in RESOLUTIONS.items()}
    if len(found) > 1:
        order = np.argsort(first_rows)
        examples = " and ".join(f"{found[at]:g} s (row {numbers[first_rows[at]]})" for at in order[:2])
        raise CandleFileError(f"{subject}: its klines are of {examples}; keep one interval per file")
    if len(found) == 1 and float(found[0]) not in names:
        raise CandleFileError(
            f"{subject}: its klines are of {found[0]:g} seconds, which is none of {', '.join(RESOLUTIONS)}; "
            "fetch them in one of them"
        )
    return names[float(found[0])] if len(found) else None


def _lengths(opened: npt.NDArray[np.float64], closed: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Seconds from open to close, the last unit of time included: klines close one unit before the next one opens."""
    per_second = np.where(opened < _MILLISECONDS_BELOW, 1e3, 1e6)
    return np.asarray((closed + 1 - opened) / per_second, dtype=np.float64)
