"""A folder of the embedded engine for tests: filled and asked in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
from quantlab_tests.core.candles.candle_tables import minute
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    embedded,
    fill,
    source_at,
)

GRADED_TABLE = "quantbot.ohlcv_candles_1m"
OTHER = Token("solana", "So11111111111111111111111111111111111111112")


class Engine:
    """One folder of the embedded engine, filled and asked in turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"chdb://{folder}"

    def filled(self, rows: list[dict[str, Any]], **how: Any) -> Engine:
        with embedded(self.folder) as client:
            fill(client, rows, **how)
        return self

    def command(self, sql: str) -> None:
        with embedded(self.folder) as client:
            client.command(sql)

    def source(self, **config: Any) -> ClickHouseCandleSource:
        return source_at(self.url, **config)


def span(start: int, end: int) -> SourceSpan:
    """From one minute of the tests' hour to another."""
    return SourceSpan(minute(start), minute(end))
