"""What the benchmarks work on: sizes, and candle slices that are generated, always the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.candles.source_spans import SourceSpan, encode_spans
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths

SLICE_ROWS = 1_440
FIRST_CANDLE_MS = int(datetime(2025, 5, 1, tzinfo=UTC).timestamp()) * 1_000
MINUTE_MS = 60_000

_WRITER = Writer(name="benchmarks", version="1", git_commit="0" * 40, git_dirty=False)


@dataclass(frozen=True, slots=True)
class Size:
    """How much work: ``rounds`` of measuring (see `interleaved`), operations of a round (``batch``), ``processes``
    that work together, size of inputs. ``series`` and ``calls`` are those of a whole experiment, ``days`` and
    ``slices`` those of a backfill, ``page_tokens`` the partitions of a page."""

    rounds: int
    batch: int
    processes: int
    slice_rows: int
    export_messages: int
    dropped_exports: int
    alerts: int
    tokens: int
    artifacts: int
    series: int
    calls: int
    page_tokens: int
    days: int
    slices: int


FULL = Size(
    rounds=7,
    batch=20,
    processes=8,
    slice_rows=SLICE_ROWS,
    export_messages=1_000_000,
    dropped_exports=1_000,
    alerts=100,
    tokens=500,
    artifacts=1_000_000,
    series=3_641,
    calls=20_000,
    page_tokens=5_000,
    days=750,
    slices=3_641,
)
TINY = Size(
    rounds=0,
    batch=2,
    processes=2,
    slice_rows=60,
    export_messages=200,
    dropped_exports=3,
    alerts=2,
    tokens=2,
    artifacts=2_000,
    series=2,
    calls=4,
    page_tokens=2,
    days=3,
    slices=6,
)


def price_walk(number: int, rows: int) -> dict[str, npt.NDArray[np.float64]]:
    """Valid one-minute candles of a random walk that only ``number`` decides: open, high, low, close, volume."""
    chance = np.random.default_rng(number)
    walk = 3.0 * np.tanh(np.cumsum(chance.normal(0.0, 0.02, rows)) / 3.0)  # stays within a factor of 20 for any length
    close = np.round(1e-4 * np.exp(walk), 10)
    open_ = np.concatenate(([1e-4], close[:-1]))
    high = np.maximum(open_, close) * (1.0 + np.round(chance.exponential(0.005, rows), 4))
    low = np.minimum(open_, close) * (1.0 - np.round(chance.uniform(0.0, 0.01, rows), 4))
    return {"open": open_, "high": high, "low": low, "close": close, "volume": np.round(close * 1e7, 2)}


def candle_slice(number: int, rows: int) -> pa.Table:
    """A slice of the type `OHLCV_SLICE` for an invented token."""
    opens_us = (FIRST_CANDLE_MS + MINUTE_MS * np.arange(rows, dtype=np.int64)) * 1_000
    columns: dict[str, pa.Array[Any]] = {
        "token_address": pa.array([token(number)] * rows),
        "chain": pa.array(["solana"] * rows),
        "ts": pa.array(opens_us).cast(pa.timestamp("us", tz="UTC")),
        **{name: pa.array(values) for name, values in price_walk(number, rows).items()},
    }
    table = pa.table([columns[name] for name in OHLCV_SLICE.schema.names], schema=OHLCV_SLICE.schema)
    first = datetime.fromtimestamp(FIRST_CANDLE_MS / 1_000, UTC)
    spans = encode_spans([SourceSpan(first, first + rows * timedelta(minutes=1))])
    stated = {"resolution": "1m", "source": "file", "source_spans": spans, "price_unit": "usd", "volume_unit": "usd"}
    return with_attributes(table, stated)


def slice_request(number: int, rows: int) -> PublishRequest:
    """The request that publishes `candle_slice` under a key of its own."""
    return PublishRequest(
        artifact_type=OHLCV_SLICE.name,
        schema_version=OHLCV_SLICE.version,
        logical_key=f"token={token(number)}/chain=solana/res=1m/from=2025-05-01/to=2025-05-02",
        data=candle_slice(number, rows),
        writer=_WRITER,
    )


def token(number: int) -> str:
    """An address-like name of 44 characters."""
    return f"Bench{number:039d}"


def new_lake(folder: Path) -> ParquetArtifactStore:
    """An empty lake in ``folder``, whatever the environment says."""
    return ParquetArtifactStore.create(LakePaths.from_environment(folder, {}), clock=SystemClock())
