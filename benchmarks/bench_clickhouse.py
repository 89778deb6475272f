"""Candles of a day's tokens from the embedded ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from clickhouse_connect import get_client

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size, token
from quantlab_core.candles.candle_source import CandleRequest
from quantlab_core.candles.slices import cohort_window
from quantlab_resources.candles.clickhouse.clickhouse_address import parse_address
from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
from quantlab_resources.candles.clickhouse.clickhouse_config import ClickHouseConfig
from quantlab_resources.candles.clickhouse.clickhouse_connection import ClickHouseConnection
from quantlab_resources.clock import SystemClock

CANDLES_OF_A_TOKEN = 1_250
"""Of 4,560 minutes of a day's window: 40 % of minutes have no candle, and most tokens die within the window."""
TOKENS_OF_A_DAY = 300
EVERY = 7
"""Which of the table's tokens are asked for: they lie apart, as those of a day do."""
_START = cohort_window(datetime(2025, 5, 1, tzinfo=UTC).date())[0]
_TABLE = """
    CREATE TABLE quantbot.ohlcv_candles (token_address String, chain String, timestamp DateTime, interval UInt32,
        open Float64, high Float64, low Float64, close Float64, volume Float64)
    ENGINE = MergeTree PARTITION BY (chain, toYYYYMM(timestamp)) ORDER BY (token_address, chain, timestamp)
"""
_ROWS = """
    INSERT INTO quantbot.ohlcv_candles
    SELECT concat('Bench', leftPad(toString(intDiv(number, {candles:UInt32})), 39, '0')), 'solana',
        toDateTime({start:UInt32} + 180 * (number % {candles:UInt32}), 'UTC'), 60,
        1 + rand(1) / 1e10, 2 + rand(2) / 1e10, 0.5 + rand(3) / 1e11, 1 + rand(4) / 1e10, rand(5) / 1e5
    FROM numbers({rows:UInt64})
"""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """One query for the tokens of a day, beside one query for each of them; rules and duplicates included in both."""
    rows = size.artifacts * 10
    _fill(folder, rows)
    config = ClickHouseConfig()
    # The engine stays open between queries, which is to the advantage of the peer.
    connection = ClickHouseConnection(parse_address(f"chdb://{folder}"), config, keeps_engine=True)
    source = ClickHouseCandleSource(connection, config, clock=SystemClock())
    window = (_START, _START + timedelta(hours=76))
    held = max(rows // CANDLES_OF_A_TOKEN, 1)
    asked = [
        CandleRequest(token(number * EVERY % held), "solana", "1m", *window)
        for number in range(min(TOKENS_OF_A_DAY, held))
    ]
    source.holds_any()
    measured = interleaved(
        {
            f"candles of {len(asked)} tokens of a day, of {rows:,} rows": lambda: source.fetch_many(asked),
            "the same with one query per token": lambda: [source.fetch(request) for request in asked],
        },
        rounds=size.rounds // 2,
    )
    connection.close()
    yield figure(measured, "ms")


def _fill(folder: Path, rows: int) -> None:
    client = get_client(interface="chdb", path=str(folder))
    client.command("CREATE DATABASE quantbot")
    client.command(_TABLE)
    bound = {"candles": CANDLES_OF_A_TOKEN, "start": int(_START.timestamp()), "rows": rows}
    client.command(_ROWS, parameters=bound)
    client.close()
