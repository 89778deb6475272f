"""Small lakes for tests: a clock that is set by hand, and requests that are quick to write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.candles.artifact_types import CANDLE_ATTRIBUTES, OHLCV_SLICE
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.lake_paths import LakePaths

WRITER = Writer(name="tests", version="1", git_commit="0" * 40, git_dirty=False)
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class HandClock:
    """A clock that moves one second at every look, or wherever it is set."""

    time: datetime = START
    step: timedelta = timedelta(seconds=1)

    def now(self) -> datetime:
        self.time += self.step
        return self.time


def new_store(home: Path) -> ParquetArtifactStore:
    return ParquetArtifactStore.create(LakePaths.from_environment(home, {}), clock=HandClock())


def candles(closes: list[float], token: str = "A" * 44) -> pa.Table:
    """One candle per minute from 2025-05-01 00:00 UTC."""
    first = datetime(2025, 5, 1, tzinfo=UTC)
    rows = [
        {
            "token_address": token,
            "chain": "solana",
            "ts": first + timedelta(minutes=minute),
            **dict.fromkeys(("open", "high", "low", "close"), close),
            "volume": None,
        }
        for minute, close in enumerate(closes)
    ]
    attributes = dict.fromkeys(CANDLE_ATTRIBUTES, "x")
    return pa.Table.from_pylist(rows, schema=OHLCV_SLICE.schema.with_metadata(attributes))


def slice_request(closes: list[float], key: str = "1", **more: Any) -> PublishRequest:
    """A slice whose key ends in ``to=<key>``."""
    return PublishRequest(
        artifact_type="ohlcv_slice_v2",
        schema_version=3,
        logical_key=f"token={'A' * 44}/res=1m/from=2025-05-01/to={key}",
        data=candles(closes),
        writer=WRITER,
        **more,
    )


def free_request(values: list[int], key: str = "of=1", type_: str = "outside", **more: Any) -> PublishRequest:
    """One column of numbers of an unregistered type."""
    return PublishRequest(type_, 1, key, pa.table({"n": pa.array(values, pa.int64())}), WRITER, **more)


def files_under(folder: Path) -> list[str]:
    """Every file below the folder, as relative names in order."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
