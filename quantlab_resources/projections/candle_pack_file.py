"""A candle pack as one file: uncompressed columns to be mapped into memory, checked before they are used.

Layout: a magic number, the columns (each at a multiple of 64 bytes), then a footer: JSON that says where each column
lies and what its checksum is, sealed as `sealed_file` says. Numbers are little-endian.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.token import Token
from quantlab_resources.projections.sealed_file import (
    checksum,
    mapped_file,
    read_footer,
    replacing,
    sealed_footer,
    write_at,
)

FORMAT = "quantlab-candle-pack/1"
"""Part of every footer: a pack of another format is built again."""

SERIES_COLUMNS: Mapping[str, type[np.generic]] = {
    "ts_ms": np.int64,
    "open": np.float64,
    "high": np.float64,
    "low": np.float64,
    "close": np.float64,
}
"""The columns with a value for each candle, in the order of the file."""
INDEX_COLUMNS = ("offsets", "interval_ms", "span_offsets", "span_start_us", "span_end_us")
SOURCES = "sources"
"""The columns behind them; whole numbers. ``sources`` says what the files were that the pack was made from."""

_MAGIC = b"QLPACK1\n"
_ALIGNMENT = 64
_WIDTH = 8


@dataclass(frozen=True, slots=True)
class MappedPack:
    """A pack and, flat, the numbers that were noted of its sources when it was written."""

    pack: CandlePack
    sources: npt.NDArray[np.int64]


class CandlePackWriter:
    """Writes the series of a pack one after the other, in ascending order of token, and then its footer."""

    def __init__(self, descriptor: int, most_rows: int) -> None:
        self._descriptor = descriptor
        self._most_rows = most_rows
        room = _aligned(most_rows * _WIDTH)
        self._starts = {name: _ALIGNMENT + place * room for place, name in enumerate(SERIES_COLUMNS)}
        self._end = _ALIGNMENT + len(SERIES_COLUMNS) * room
        self._checksums = dict.fromkeys(SERIES_COLUMNS, checksum(np.empty(0, np.int64)))
        self._tokens: list[Token] = []
        self._index: dict[str, list[int]] = {name: [] for name in INDEX_COLUMNS}
        self._index["offsets"].append(0)
        self._index["span_offsets"].append(0)
        self._write(_MAGIC, 0)

    def add(self, token: Token, series: CandleSeries, spans_us: list[tuple[int, int]]) -> None:
        """Write a series and note its spans."""
        rows = self._index["offsets"][-1]
        if rows + len(series) > self._most_rows:
            raise ValueError(f"a pack of {self._most_rows} rows has no room for {len(series)} more after {rows}")
        for name, dtype in SERIES_COLUMNS.items():
            values = np.ascontiguousarray(getattr(series, name), dtype=dtype)
            self._checksums[name] = checksum(values, self._checksums[name])
            self._write(values.data, self._starts[name] + rows * _WIDTH)
        self._tokens.append(token)
        self._index["offsets"].append(rows + len(series))
        self._index["interval_ms"].append(series.interval_ms)
        self._index["span_start_us"].extend(start for start, _ in spans_us)
        self._index["span_end_us"].extend(end for _, end in spans_us)
        self._index["span_offsets"].append(len(self._index["span_start_us"]))

    def finish(
        self,
        content_hash: str,
        faults: Mapping[Token, str],
        sources: npt.NDArray[np.int64],
        facts: Mapping[str, Any],
    ) -> None:
        """Write the rest: the pack of the frozen set with this content hash. ``facts`` are kept as they are."""
        columns = [
            {
                "name": name,
                "start": self._starts[name],
                "count": self._index["offsets"][-1],
                "sum": self._checksums[name],
            }
            for name in SERIES_COLUMNS
        ]
        for name in (*INDEX_COLUMNS, SOURCES):
            values = sources.ravel() if name == SOURCES else np.array(self._index[name], dtype=np.int64)
            self._write(values.data, self._end)
            columns.append({"name": name, "start": self._end, "count": len(values), "sum": checksum(values)})
            self._end += _aligned(values.nbytes)
        footer = {
            "format": FORMAT,
            "contentHash": content_hash,
            "tokens": [[token.chain, token.address] for token in self._tokens],
            "faults": [[token.chain, token.address, why] for token, why in sorted(faults.items())],
            "columns": columns,
            "facts": dict(facts),
        }
        self._write(sealed_footer(footer, _MAGIC), self._end)

    def _write(self, data: bytes | memoryview, at: int) -> None:
        write_at(self._descriptor, data, at)


@contextmanager
def writing_pack(path: Path, building: Path, most_rows: int) -> Iterator[CandlePackWriter]:
    """Write a pack under the name ``building``; it takes the place of ``path`` when the block ends without an error.

    Raises StorageError.
    """
    with replacing(path, building) as descriptor:
        yield CandlePackWriter(descriptor, most_rows)


def mapped_pack(path: Path, content_hash: str) -> MappedPack | None:
    """The pack in the file, as views of the mapped file; None unless it is a whole pack of this content hash.

    Every byte that a pack is made of is checked. The views stay good when the file is replaced or deleted.
    """
    try:
        found = mapped_file(path, _MAGIC, FORMAT, contentHash=content_hash)
        return None if found is None else _pack(*found)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def facts_of_pack(path: Path) -> dict[str, Any] | None:
    """What the footer says, without a look at the columns; None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            return read_footer(file.fileno(), _MAGIC, FORMAT)
    except OSError:
        return None


def _pack(memory: mmap.mmap, footer: Mapping[str, Any]) -> MappedPack | None:
    columns: dict[str, npt.NDArray[Any]] = {}
    for column in footer["columns"]:
        name, dtype = column["name"], SERIES_COLUMNS.get(column["name"], np.int64)
        columns[name] = np.frombuffer(memory, dtype=dtype, count=column["count"], offset=column["start"])
        if checksum(columns[name]) != column["sum"]:
            return None
    sources = columns.pop(SOURCES)
    pack = CandlePack(
        tokens=tuple(Token(chain, address) for chain, address in footer["tokens"]),
        faults={Token(chain, address): why for chain, address, why in footer["faults"]},
        **columns,
    )
    return MappedPack(pack, sources)


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
