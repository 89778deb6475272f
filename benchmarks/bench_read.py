"""Reading an artifact: looked up, its bytes checked, decoded with page checksums, in its type's schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size, new_lake, slice_request
from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore

LARGE_ROWS = 300
"""A large artifact has as many rows as this many slices."""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """The verified read of a slice and of a large table, beside reading the same file unchecked."""
    store = new_lake(folder / "lake")
    for name, rows in (("a slice", size.slice_rows), ("a large table", size.slice_rows * LARGE_ROWS)):
        artifact = store.publish(slice_request(rows, rows)).artifact
        yield _figure(store, artifact, f"verified read of {name} ({rows:,} rows)", size.rounds)
    store.close()


def _figure(store: ParquetArtifactStore, artifact: Artifact, name: str, rounds: int) -> Figure:
    measured = interleaved(
        {
            name: lambda: store.read(artifact.artifact_id),
            "pyarrow.parquet.read_table of the same file": lambda: pq.read_table(artifact.path_parquet),
        },
        rounds=5 * rounds,
    )
    return figure(measured, "ms")
