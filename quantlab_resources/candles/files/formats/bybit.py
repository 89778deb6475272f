"""Bybit's candles: CSV with a header, and the answers of its API.

    timestamp,open,high,low,close,volume
    {"retCode": 0, "result": {"symbol": "SOLUSDT", "list": [["1670608800000", "13.1", …, "268611", "15.74"], …]}}

An answer has turnover beside volume, which proves what volume counts; a CSV file states no units.
"""

from __future__ import annotations

from pathlib import Path

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.collected_rows import CollectedRows
from quantlab_resources.candles.files.formats.exchange_volume import counts_the_coin
from quantlab_resources.candles.files.formats.flat import read_named_rows
from quantlab_resources.candles.files.formats.format_rows import FormatRows, rows_under_names
from quantlab_resources.candles.files.formats.json_shapes import begins_with_object, head_has
from quantlab_resources.candles.files.json_stream import json_parts
from quantlab_resources.candles.files.raw_rows import FileStart, file_start

_VALUES = ("ts", "open", "high", "low", "close", "volume", "turnover")
_COLUMNS = {name: name for name in _VALUES[:-1]}


def recognises(start: FileStart) -> bool:
    """An answer of the API. A CSV file has names that many others have too."""
    return begins_with_object(start) and head_has(start, "retCode") and head_has(start, "list")


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The candles of the file. Raises NotFoundError, StorageError, CandleFileError."""
    start = file_start(path)
    if not begins_with_object(start):
        return rows_under_names(start, read_named_rows(start))
    candles = CollectedRows(start)
    for keys, part in json_parts(start):
        if keys == ("retCode",) and part != 0:
            raise CandleFileError(f"{path}: Bybit answered with error {part}; ask again")
        if keys == ("result", "list"):
            candles.add_values(_VALUES, part)
    rows = candles.rows()
    in_coins = counts_the_coin(rows.table, _COLUMNS, "turnover")
    return FormatRows(rows, _COLUMNS, volume_unit="token" if in_coins else None)
