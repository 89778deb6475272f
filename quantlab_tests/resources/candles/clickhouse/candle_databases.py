"""Candle tables for tests in both layouts of the earlier system, and sources over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from clickhouse_connect import get_client
from clickhouse_connect.driver.client import Client

from quantlab_core.candles.candle_source import CandleRequest
from quantlab_core.candles.epoch_time import epoch_microseconds
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.clickhouse_address import parse_address
from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
from quantlab_resources.candles.clickhouse.clickhouse_config import ClickHouseConfig
from quantlab_resources.candles.clickhouse.clickhouse_connection import ClickHouseConnection
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, minute

EVM_ADDRESS = "0x4200000000000000000000000000000000000001"
EDGE = Token("solana", "Edge1111111111111111111111111111111111111111")
"""A token whose candles at the edges of a window let the table reach from one to the other."""
BASE, BSC, SOMEWHERE = (Token(chain, EVM_ADDRESS) for chain in ("base", "bsc", "evm_unknown"))
MERGE_TREE = "ENGINE = MergeTree PARTITION BY (chain, toYYYYMM(timestamp)) ORDER BY (token_address, chain, timestamp)"
GRADED_ENGINE = "ENGINE = ReplacingMergeTree(ingested_at) ORDER BY (token_address, chain, timestamp)"
PLAIN = {
    "token_address": "String", "chain": "String", "timestamp": "DateTime", "interval": "UInt32", "open": "Float64",
    "high": "Float64", "low": "Float64", "close": "Float64", "volume": "Float64",
}  # fmt: skip
GRADED = {
    **{name: kind for name, kind in PLAIN.items() if name != "interval"},
    "interval_seconds": "UInt32",
    "quality_score": "UInt16",
    "ingested_at": "DateTime",
    "source_tier": "UInt8",
}


class FixedClock:
    """Says what it is told."""

    def __init__(self, now: datetime = T0 + timedelta(days=30)) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant


def row(number: int, token: Token = TOKEN, **values: Any) -> dict[str, Any]:
    """A row of the first layout at minute ``number`` of the test day: open 2, high 4, low 1, close 3, volume 10."""
    usual = {"open": 2, "high": 4, "low": 1, "close": 3, "volume": 10}
    named = {"token_address": token.address, "chain": token.chain, "timestamp": minute(number), "interval": 60}
    return {**named, **usual, **values}


def graded_row(number: int, quality: int, ingested: int, **values: Any) -> dict[str, Any]:
    """A row of the second layout, which came in at minute ``ingested``."""
    plain = row(number, **values)
    grade = {"quality_score": quality, "ingested_at": minute(ingested), "source_tier": 1}
    return {**{name: value for name, value in plain.items() if name != "interval"}, "interval_seconds": 60, **grade}


def edges(*minutes: int, **values: Any) -> list[dict[str, Any]]:
    """Rows of `EDGE`, at the first and last minute of the usual window if no others are named."""
    return [row(number, EDGE, **values) for number in minutes or (0, 99)]


def literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"toDateTime({epoch_microseconds(value) // 1_000_000}, 'UTC')"
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" if isinstance(value, str) else str(value)


def fill(
    client: Client,
    rows: Sequence[dict[str, Any]] = (),
    *,
    table: str = "quantbot.ohlcv_candles",
    types: dict[str, str] | None = None,
    engine: str = MERGE_TREE,
) -> None:
    """Make the table and put the rows into it as they are; text becomes whatever type the column has."""
    database = table.split(".")[0]
    types = types or PLAIN
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    client.command(f"DROP TABLE IF EXISTS {table} SYNC")
    client.command(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in types.items())}) {engine}")
    for part in [rows[start : start + 5_000] for start in range(0, len(rows), 5_000)]:
        values = ", ".join("(" + ", ".join(map(literal, one.values())) + ")" for one in part)
        client.command(f"INSERT INTO {table} ({', '.join(part[0])}) VALUES {values}")  # noqa: S608


@contextmanager
def embedded(folder: Path) -> Iterator[Client]:
    """A client of the embedded engine over ``folder``, closed again: the engine serves one folder at a time."""
    folder.mkdir(exist_ok=True)
    client = get_client(interface="chdb", path=str(folder))
    try:
        yield client
    finally:
        client.close()


def source_at(
    url: str, *, clock: FixedClock | None = None, password: str = "", waits: list[float] | None = None, **config: Any
) -> ClickHouseCandleSource:
    """A source with this configuration; ``waits`` receives the seconds between attempts instead of waiting them."""
    told = ClickHouseConfig.model_validate(config)
    sleep = (waits if waits is not None else []).append
    connection = ClickHouseConnection(parse_address(url), told, password=password, sleep=sleep)
    return ClickHouseCandleSource(connection, told, clock=clock or FixedClock())


def request(token: Token = TOKEN, start: int = 0, end: int = 100, resolution: str = "1m", **more: Any) -> CandleRequest:
    return CandleRequest(token.address, token.chain, resolution, minute(start), minute(end), **more)


def minutes_of(candles: Any) -> list[int]:
    """Which minutes of the test day a table of candles has."""
    return [int((ts - T0).total_seconds() // 60) for ts in candles["ts"].to_pylist()]


def volumes_of(candles: Any) -> Iterable[float]:
    return candles["volume"].to_pylist()
