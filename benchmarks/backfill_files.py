"""Files of a lake of many days, invented and always the same: exports with calls, and candles of every token called."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import base58
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.workload import price_walk
from quantlab_core.demo.demo_world import DEMO_CANDLE_SCHEMA

FIRST_DAY = date(2023, 5, 1)
DAYS_PER_FILE = 30
CHATTER_PER_DAY = 20
_CALL_SECOND = 10 * 3_600
_MINUTES_BEFORE = 4 * 60


def day(number: int) -> date:
    """The day of this number."""
    return FIRST_DAY + timedelta(days=number)


def write_exports(folder: Path, days: int, calls: int) -> list[Path]:
    """Exports of thirty days each, in which so many tokens are called, each once and as evenly as it goes."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for first in range(0, days, DAYS_PER_FILE):
        messages = [
            message
            for number in range(first, min(first + DAYS_PER_FILE, days))
            for message in _messages(number, days, calls)
        ]
        chat = {"name": "Evening calls", "type": "private_supergroup", "id": 1_700_000_001}
        path = folder / f"export-{first:05d}.json"
        path.write_text(json.dumps({**chat, "messages": messages}), "utf-8")
        paths.append(path)
    return paths


def write_candle_files(folder: Path, days: int, calls: int, rows: int) -> list[Path]:
    """Parquet files of thirty days each: so many candles of a minute of every token, from four hours before its call's
    day."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for first in range(0, days, DAYS_PER_FILE):
        called = [
            (number, call)
            for number in range(first, min(first + DAYS_PER_FILE, days))
            for call in range(number, calls, days)
        ]
        path = folder / f"candles-{first:05d}.parquet"
        pq.write_table(pa.concat_tables([_candles(number, call, rows) for number, call in called]), path)
        paths.append(path)
    return paths


def mint(call: int) -> str:
    """The address that the call of this number names."""
    return base58.b58encode(hashlib.sha256(f"call {call}".encode()).digest()).decode()


def _messages(number: int, days: int, calls: int) -> list[dict[str, Any]]:
    texts = [f"ape this {mint(call)}" for call in range(number, calls, days)]
    texts += [f"gm everyone, quiet evening number {minute}" for minute in range(CHATTER_PER_DAY)]
    start = _midnight(number) + _CALL_SECOND
    return [
        {
            "id": number * 1_000 + order,
            "type": "message",
            "date": "2025-01-01T00:00:00",
            "date_unixtime": str(start + 60 * order),
            "from": f"caller {order % 7}",
            "from_id": f"user{4_000 + order % 7}",
            "text": text,
        }
        for order, text in enumerate(texts)
    ]


def _candles(number: int, call: int, rows: int) -> pa.Table:
    opens_ms = 1_000 * (_midnight(number) + 60 * (np.arange(rows, dtype=np.int64) - _MINUTES_BEFORE))
    walk = price_walk(call, rows)
    columns = [
        pa.array([mint(call)] * rows),
        pa.array(["solana"] * rows),
        pa.array(opens_ms).cast(pa.timestamp("ms", tz="UTC")),
        *(pa.array(walk[name]) for name in ("open", "high", "low", "close", "volume")),
    ]
    return pa.Table.from_arrays(columns, schema=DEMO_CANDLE_SCHEMA)


def _midnight(number: int) -> int:
    return int(datetime.combine(day(number), time(), UTC).timestamp())
