"""Candles of ccxt and of freqtrade: arrays of six values in JSON, and freqtrade's feather files.

    [[1679004900000, 19.67, 19.7, 19.67, 19.69, 2760.09], …]

Times are milliseconds. Nothing but the values is in a file: token, units, and the interval if it cannot be found in the
steps, are declared. Volume counts the traded coin on most exchanges, contracts on some.
"""

from __future__ import annotations

from pathlib import Path

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.collected_rows import CollectedRows
from quantlab_resources.candles.files.columnar_rows import ARROW_MAGIC, column_names, read_arrow
from quantlab_resources.candles.files.formats.format_rows import FormatRows, rows_under_names
from quantlab_resources.candles.files.formats.json_shapes import begins_with_array
from quantlab_resources.candles.files.json_stream import json_parts
from quantlab_resources.candles.files.raw_rows import FileStart, file_start

_VALUES = ("ts", "open", "high", "low", "close", "volume")
_FEATHER = ["date", "open", "high", "low", "close", "volume"]


def recognises(start: FileStart) -> bool:
    """A feather file with freqtrade's columns. Arrays could be of others, whose values have another order."""
    return start.head.startswith(ARROW_MAGIC) and column_names(start) == _FEATHER


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The candles of the file. Raises NotFoundError, StorageError, CandleFileError."""
    start = file_start(path)
    if start.head.startswith(ARROW_MAGIC):
        return rows_under_names(start, read_arrow(start))
    if start.head.strip() and not begins_with_array(start):
        raise CandleFileError(f"{path}: neither a JSON array nor a feather file; name what it is with --source")
    candles = CollectedRows(start)
    for keys, part in json_parts(start):
        if keys == ():
            candles.add_values(_VALUES, part)
    return FormatRows(candles.rows(), {name: name for name in _VALUES})
