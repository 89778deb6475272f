"""Small candle tables for tests, written as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import CANDLE_COLUMNS, CANDLE_SCHEMA
from quantlab_core.candles.source_spans import SourceSpan, encode_spans
from quantlab_core.token import Token

T0 = datetime(2025, 5, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOKEN = Token("solana", "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump")
ROW_SCHEMA = pa.schema([pa.field("row_number", pa.int64()), *(field.with_nullable(True) for field in CANDLE_COLUMNS)])


def minute(number: int) -> datetime:
    return T0 + number * MINUTE


def candle(ts: datetime | int, *, token: Token = TOKEN, volume: float | None = 10.0, **prices: Any) -> dict[str, Any]:
    """A candle at minute ``ts`` of the test day: open 2, high 4, low 1, close 3, unless said otherwise."""
    row = {"open": 2.0, "high": 4.0, "low": 1.0, "close": 3.0, **prices}
    opened = minute(ts) if isinstance(ts, int) else ts
    return {"token_address": token.address, "chain": token.chain, "ts": opened, **row, "volume": volume}


def numbered(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as `validate_candles` takes them."""
    return pa.Table.from_pylist([{"row_number": n, **row} for n, row in enumerate(rows, 1)], schema=ROW_SCHEMA)


def series(rows: Iterable[dict[str, Any]], spans: Iterable[tuple[int, int]] = (), **attributes: str) -> pa.Table:
    """Candles with attributes; spans in minutes of the test day."""
    table = pa.Table.from_pylist(list(rows), schema=CANDLE_SCHEMA)
    encoded = encode_spans(SourceSpan(minute(start), minute(end)) for start, end in spans)
    stated = {"resolution": "1m", "source": "file", "source_spans": encoded, "price_unit": "usd", "volume_unit": "usd"}
    return with_attributes(table, {**stated, **attributes})
