"""The content hash of a slice: what identity costs."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size, candle_slice
from quantlab_core.artifacts.content_hash import content_hash, hash_of_normal_form
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.candles.artifact_types import OHLCV_SLICE


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """Checked, brought into normal form and hashed; beside hashing bare bytes, and hashing CSV text."""
    table = candle_slice(0, size.slice_rows)
    normal = to_normal_form(table, OHLCV_SLICE)

    def repeat(action: Callable[[], object]) -> Callable[[], object]:
        return lambda: deque((action() for _ in range(size.batch)), maxlen=0)

    yield figure(
        interleaved(
            {
                "content hash of a slice": repeat(lambda: content_hash(table, OHLCV_SLICE)),
                "the hash alone, of a table in normal form": repeat(lambda: hash_of_normal_form(normal, OHLCV_SLICE)),
                "SHA-256 of the same columns' bytes": repeat(lambda: _hash_of_buffers(table)),
                "SHA-256 of pandas' CSV text": repeat(lambda: _hash_of_csv(table)),
            },
            rounds=size.rounds,
            operations=size.batch,
        ),
        "ms",
    )


def _hash_of_buffers(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for column in table.columns:
        for chunk in column.chunks:
            for buffer in chunk.buffers():
                if buffer is not None:
                    digest.update(buffer)
    return digest.hexdigest()


def _hash_of_csv(table: pa.Table) -> str:
    return hashlib.sha256(table.to_pandas().to_csv(index=False).encode()).hexdigest()
