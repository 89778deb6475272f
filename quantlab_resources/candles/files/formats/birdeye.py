"""Birdeye's answers, first and third version of its API, and copies of them in a cache.

    {"success": true, "data": {"items": [{"address": "…", "type": "1m", "unixTime": 1755083400, "o": 1, …, "v": 7}]}}

The third version writes ``unix_time`` and has ``v_usd`` beside ``v``; a cache wraps the answer with the time of the
request in milliseconds (``timestamp``) and may spell the names out (``open``, ``volume``). Times are seconds.

What an answer states: the token (``address``; the pair's where pairs were asked for), the interval (``type``), the
price unit (``currency``: ``usd``, or ``native`` for the chain's own coin), and with ``v`` that volume is in tokens.
Before a token's first trade the API writes flat candles of volume 0, at a price that nobody had paid yet.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from quantlab_core.alerts.addresses import normalise_chain
from quantlab_core.candles.arrow_columns import compute
from quantlab_core.candles.epoch_time import instant_of
from quantlab_core.candles.interval_detection import stated_resolution
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.collected_rows import CollectedRows
from quantlab_resources.candles.files.formats.format_rows import FormatRows
from quantlab_resources.candles.files.formats.json_shapes import begins_with_object, head_has
from quantlab_resources.candles.files.json_stream import JsonPart, Keys, json_parts
from quantlab_resources.candles.files.raw_rows import FileStart, RawRows, file_start

_ITEMS = (("data", "items"), ("data", "data", "items"), ("items",))
_NAMES: dict[str, tuple[str, ...]] = {
    "ts": ("unixTime", "unix_time"),
    "open": ("o", "open"),
    "high": ("h", "high"),
    "low": ("l", "low"),
    "close": ("c", "close"),
    "volume": ("v", "vBase", "v_base", "volume"),
    "token_address": ("address",),
}
_IN_TOKENS = frozenset({"v", "vBase", "v_base"})
_COIN = {"solana": "sol", "ethereum": "eth", "base": "eth", "arbitrum": "eth", "optimism": "eth", "bsc": "bnb"}


def recognises(start: FileStart) -> bool:
    """An object with ``items`` that have Birdeye's name of the time."""
    return begins_with_object(start) and head_has(start, "items") and head_has(start, "unixTime", "unix_time")


def read(path: Path, declaration: CandleFileDeclaration) -> FormatRows:
    """The items of one answer. Raises NotFoundError, StorageError, CandleFileError."""
    start = file_start(path)
    items = CollectedRows(start)
    about: dict[Keys, JsonPart] = {}
    for keys, part in json_parts(start):
        if keys not in _ITEMS:
            about[keys] = part
        elif isinstance(part, dict):
            items.add(part)
        else:
            items.add_malformed(part, "no object where an item of Birdeye's is one")
    if about.get(("success",)) is False:
        raise CandleFileError(
            f"{path}: Birdeye answered with an error ({str(about.get(('message',), 'no message'))[:100]}); ask again"
        )
    rows = items.rows()
    names = set(rows.table.column_names)
    columns = {
        field: next(name for name in known if name in names) for field, known in _NAMES.items() if names & set(known)
    }
    return FormatRows(
        rows,
        columns,
        resolution=_resolution(rows, str(path)),
        price_unit=_price_unit(rows, declaration.chain, str(path)),
        volume_unit="token" if columns.get("volume") in _IN_TOKENS else None,
        fetched_at=_cached_at(about.get(("timestamp",))),
        fills_before_first_trade=True,
    )


def _resolution(rows: RawRows, subject: str) -> str | None:
    if "type" not in rows.table.column_names:
        return None
    return stated_resolution(rows.table["type"], row_numbers=rows.row_numbers, subject=subject)


def _price_unit(rows: RawRows, chain: str | None, subject: str) -> str | None:
    if "currency" not in rows.table.column_names:
        return None
    named = _distinct(rows.table, "currency")
    if len(named) > 1:
        raise CandleFileError(f"{subject}: its items are in {' and '.join(named)}; keep one currency per file")
    if named == ["native"]:
        return _COIN.get(normalise_chain(chain or ""))
    return named[0] if named else None


def _distinct(table: pa.Table, column: str) -> list[str]:
    return sorted(str(value) for value in compute.unique(table[column]).to_pylist() if value is not None)


def _cached_at(stamp: Any) -> datetime | None:
    """A cache's own time of the request, in milliseconds; None where there is none, or no time that can be meant."""
    if isinstance(stamp, int) and 10**12 <= stamp < 4 * 10**12:
        return instant_of(stamp * 1000)
    return None
