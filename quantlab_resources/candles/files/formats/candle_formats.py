"""The formats of candle files, by name: the one place where a format is added."""

from __future__ import annotations

from pathlib import Path

from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import AUTO
from quantlab_resources.candles.files.formats import (
    binance,
    birdeye,
    bybit,
    ccxt,
    clickhouse_export,
    flat,
    geckoterminal,
    swaps,
)
from quantlab_resources.candles.files.formats.format_rows import CandleFormat
from quantlab_resources.candles.files.formats.json_shapes import begins_with_array, begins_with_object
from quantlab_resources.candles.files.raw_rows import FileStart, file_start

_ALL = (
    CandleFormat("birdeye", "Birdeye's answers, v1 and v3, also from a cache (JSON)", birdeye.recognises, birdeye.read),
    CandleFormat(
        "geckoterminal",
        "GeckoTerminal's answers, lists, lists by token (JSON), CSV",
        geckoterminal.recognises,
        geckoterminal.read,
    ),
    CandleFormat("binance", "Binance's klines (CSV with or without header, JSON)", binance.recognises, binance.read),
    CandleFormat("bybit", "Bybit's candles (CSV, JSON)", bybit.recognises, bybit.read),
    CandleFormat("ccxt", "arrays of ccxt (JSON)", ccxt.recognises, ccxt.read),
    CandleFormat("freqtrade", "freqtrade's data (JSON, feather)", ccxt.recognises, ccxt.read),
    CandleFormat("swaps", "single swaps, made into candles (JSON lines, CSV, Parquet)", swaps.recognises, swaps.read),
    CandleFormat(
        "clickhouse",
        "exports of the earlier system's tables (CSV, TSV, JSONEachRow, Parquet)",
        clickhouse_export.recognises,
        clickhouse_export.read,
    ),
    CandleFormat(
        "flat",
        "one candle per row under named columns (CSV, Parquet)",
        flat.recognises,
        flat.read,
        assumes_house_units=True,
    ),
)

FORMATS: dict[str, CandleFormat] = {kind.name: kind for kind in _ALL}
"""In the order in which they are tried when the format is told by content."""


def format_of(path: Path, source: str) -> CandleFormat:
    """The format named ``source``, or with ``auto`` the one that the file certainly has.

    Raises NotFoundError, StorageError, and CandleFileError for an unknown name or a file that could be of several.
    """
    if source != AUTO:
        if source not in FORMATS:
            raise CandleFileError(f"{path}: --source {source!r} is not known; use {', '.join([AUTO, *FORMATS])}")
        return FORMATS[source]
    start = file_start(path)
    found = next((kind for kind in _ALL if kind.recognises(start)), None)
    if found is not None:
        return found
    if begins_with_array(start) or begins_with_object(start):
        raise CandleFileError(f"{path}: looks like JSON, but not certainly of one format; {_candidates(start)}")
    return FORMATS["flat"]


def _candidates(start: FileStart) -> str:
    if begins_with_array(start):
        return "bare arrays name no columns: declare --source ccxt, freqtrade, geckoterminal or binance"
    return f"declare --source ({', '.join(FORMATS)})"
