"""The demo world as a whole: one Telegram export and the candles that go with it.

It is invented: prices, people and tokens. It holds on purpose what real data hold: mentions again, edits, refreshed bot
cards, pool links, silence, dead tokens, a rug and one token that carries the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.demo.demo_calls import scheduled_calls
from quantlab_core.demo.demo_candles import END_MIN, TokenPath, token_path
from quantlab_core.demo.demo_cast import DemoToken, demo_tokens
from quantlab_core.demo.demo_chatter import asides
from quantlab_core.demo.demo_messages import WORLD_START, telegram_export

_COLUMNS: dict[str, pa.DataType] = {
    "token_address": pa.string(),
    "chain": pa.string(),
    "timestamp": pa.timestamp("ms", tz="UTC"),
    "open": pa.float64(),
    "high": pa.float64(),
    "low": pa.float64(),
    "close": pa.float64(),
    "volume": pa.float64(),
}
DEMO_CANDLE_SCHEMA = pa.schema(_COLUMNS)
"""One-minute candles, ``timestamp`` is the open time, prices and volume in USD. Names as in files from outside."""


@dataclass(frozen=True, slots=True)
class DemoWorld:
    """``export`` is a Telegram Desktop single-chat export; ``candles`` has `DEMO_CANDLE_SCHEMA`, sorted by chain, token
    and time; their source answered for [``source_from``, ``source_to``) UTC, so silence in there is data."""

    export: dict[str, Any]
    candles: pa.Table
    source_from: datetime
    source_to: datetime


def demo_world(seed: int = 7) -> DemoWorld:
    """The world of this seed: calls on 2025-05-01 to 2025-05-10, candles until two days later; always the same."""
    tokens = demo_tokens(seed)
    calls = scheduled_calls(seed, tokens)
    paths = {
        token: token_path(seed, token, [call.second for call in calls if token in call.tokens]) for token in tokens
    }
    return DemoWorld(
        export=telegram_export(seed, calls, paths, asides(seed, tokens)),
        candles=_candle_table(tokens, paths),
        source_from=WORLD_START,
        source_to=WORLD_START + timedelta(minutes=END_MIN),
    )


def _candle_table(tokens: Sequence[DemoToken], paths: dict[DemoToken, TokenPath]) -> pa.Table:
    start_ms = int(WORLD_START.timestamp()) * 1000
    tables = []
    for token in sorted(tokens, key=lambda token: (token.chain, token.address)):
        path = paths[token]
        rows = len(path.minute)
        columns = [
            pa.array([token.address] * rows),
            pa.array([token.chain] * rows),
            pa.array(start_ms + path.minute * np.int64(60_000)).cast(pa.timestamp("ms", tz="UTC")),
            *(pa.array(values) for values in (path.open, path.high, path.low, path.close, path.volume)),
        ]
        tables.append(pa.Table.from_arrays(columns, schema=DEMO_CANDLE_SCHEMA))
    return pa.concat_tables(tables).combine_chunks()
