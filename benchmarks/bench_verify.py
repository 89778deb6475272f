"""Verifying a lake: every byte hashed, and with ``--deep`` every table decoded and its content hashed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.child_process import PYTHON, programs
from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size, new_lake, slice_request
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.verification import verify

LARGE_ROWS = 300
"""A large artifact has as many rows as this many slices."""

TIMES_LARGER = 4
"""How many times larger the lake is whose verification must not take more memory."""

SMALL_ROWS = 10

_IN_A_PROCESS = """
import pathlib, sys
from benchmarks.workload import new_lake
from quantlab_resources.artifacts.upkeep.verification import verify
verify(new_lake(pathlib.Path(sys.argv[1])))
"""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Bytes and slices that are verified in a second, and the peak memory for a lake and for a larger one."""
    slices = _filled(folder / "slices", range(size.tokens), size.slice_rows)
    large = _filled(folder / "large", range(size.batch // 5 + 1), size.slice_rows * LARGE_ROWS)
    yield _plain(slices, f"verify slices of {size.slice_rows:,} rows, with their sidecars", size.rounds)
    yield _plain(large, f"verify tables of {size.slice_rows * LARGE_ROWS:,} rows", size.rounds)
    yield _deep(slices, size.rounds)
    slices.close()
    large.close()
    yield _memory(size, folder)


def _filled(home: Path, numbers: Sequence[int], rows: int) -> ParquetArtifactStore:
    store = new_lake(home)
    step = 100
    for start in range(0, len(numbers), step):
        store.publish_many([slice_request(number, rows) for number in numbers[start : start + step]])
    return store


def _tables(store: ParquetArtifactStore) -> list[str]:
    return [artifact.path_parquet for artifact in store.heads("ohlcv_slice_v2")]


def _plain(store: ParquetArtifactStore, name: str, rounds: int) -> Figure:
    paths = _tables(store)
    measured = interleaved(
        {name: lambda: verify(store), "hashlib over the same tables, read bare": lambda: _hash_bare(paths)},
        rounds=rounds,
        operations=sum(Path(path).stat().st_size for path in paths),
    )
    # CPU time by the byte says nothing.
    return figure({key: replace(one, cpu_s=None) for key, one in measured.items()}, "GB/s")


def _hash_bare(paths: Sequence[str]) -> None:
    for path in paths:
        with Path(path).open("rb", buffering=0) as file:
            hashlib.sha256(file.read()).hexdigest()


def _deep(store: ParquetArtifactStore, rounds: int) -> Figure:
    paths = _tables(store)
    measured = interleaved(
        {
            "verify --deep of a slice": lambda: verify(store, deep=True),
            "pyarrow.parquet.read_table, page checksums": lambda: _read_bare(paths),
        },
        rounds=rounds,
        operations=len(paths),
    )
    return figure(measured, "per s")


def _read_bare(paths: Sequence[str]) -> None:
    for path in paths:
        pq.read_table(path, page_checksum_verification=True)


def _memory(size: Size, folder: Path) -> Figure:
    commands = {}
    for number in (size.tokens * TIMES_LARGER, size.tokens):
        home = folder / f"of-{number}"
        _filled(home, range(number), SMALL_ROWS).close()
        commands[f"peak memory: verify {number:,} artifacts"] = [PYTHON, "-c", _IN_A_PROCESS, str(home)]
    _, peaks = programs(commands, rounds=min(size.rounds, 3))
    return figure(peaks, "MiB")
