"""Candles of one token as arrays, in the form the engine reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.errors import InvalidInputError

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class CandleSeries:
    """One token's candles; row i covers [ts_ms[i], ts_ms[i] + interval_ms), epoch milliseconds UTC.

    Missing candles are missing rows: nothing is filled in. The series promises nothing about its values: the engine
    checks the rows that it uses (see `candle_checks`).
    """

    ts_ms: Instants
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    interval_ms: int
    volume: Floats | None = None

    def __len__(self) -> int:
        return len(self.ts_ms)

    @property
    def end_ms(self) -> int | None:
        """Close time of the last candle, or None for an empty series."""
        return int(self.ts_ms[-1]) + self.interval_ms if len(self) else None

    def rows(self, start: int, stop: int) -> CandleSeries:
        """The rows [start, stop), without copying."""
        part = slice(start, stop)
        return CandleSeries(
            self.ts_ms[part],
            self.open[part],
            self.high[part],
            self.low[part],
            self.close[part],
            self.interval_ms,
            None if self.volume is None else self.volume[part],
        )

    def closed_by(self, instant_ms: int) -> CandleSeries:
        """The candles that have closed at ``instant_ms``: all that can be known then. Needs ascending times."""
        return self.rows(0, int(np.searchsorted(self.ts_ms, instant_ms - self.interval_ms, side="right")))

    @classmethod
    def from_rows(
        cls, rows: Iterable[tuple[int, float, float, float, float]], interval_ms: int = 60_000
    ) -> CandleSeries:
        """A series from (ts_ms, open, high, low, close) rows."""
        listed = list(rows)
        prices = np.array([row[1:] for row in listed], dtype=np.float64).reshape(len(listed), 4)
        ts_ms = np.array([row[0] for row in listed], dtype=np.int64)
        return cls(ts_ms, prices[:, 0], prices[:, 1], prices[:, 2], prices[:, 3], interval_ms)

    @classmethod
    def from_table(cls, table: pa.Table, resolution: str) -> CandleSeries:
        """A series from a table of the candle schema (``ts`` is ``timestamp[us, UTC]``), rows as they stand.

        Raises InvalidInputError for an unknown resolution or a time between milliseconds.
        """
        interval = RESOLUTIONS.get(resolution)
        if interval is None:
            raise InvalidInputError(f"unknown candle resolution {resolution!r}; known: {', '.join(RESOLUTIONS)}")
        ts_us = _integers(table["ts"])
        if (ts_us % 1_000).any():
            row = int(np.flatnonzero(ts_us % 1_000)[0])
            raise InvalidInputError(f"candle row {row} opens between two milliseconds (ts {int(ts_us[row])} us)")
        return cls(
            ts_ms=ts_us // 1_000,
            open=_floats(table["open"]),
            high=_floats(table["high"]),
            low=_floats(table["low"]),
            close=_floats(table["close"]),
            interval_ms=int(interval.total_seconds() * 1_000),
            volume=_floats(table["volume"]) if "volume" in table.column_names else None,
        )


def _integers(column: pa.ChunkedArray[Any]) -> Instants:
    return np.asarray(pc.cast(column, pa.int64()).to_numpy(), dtype=np.int64)


def _floats(column: pa.ChunkedArray[Any]) -> Floats:
    return np.asarray(column.to_numpy(), dtype=np.float64)
