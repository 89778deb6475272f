"""Building a projection of many token series."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import Size, new_lake, slice_request
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """A build: verified input, sorted, fingerprinted, swapped in; beside DuckDB over the same files, unchecked."""
    store = new_lake(folder / "lake")
    results = store.publish_many([slice_request(number, size.slice_rows) for number in range(size.tokens)])
    request = ProjectionRequest("bench", {"ohlcv": [result.artifact_id for result in results]})
    builder = DuckDBProjectionBuilder(store, folder / "cache")
    paths = [result.artifact.path_parquet for result in results]
    rows = size.tokens * size.slice_rows
    measured = interleaved(
        {
            f"build of {size.tokens:,} series ({rows:,} rows)": lambda: builder.build(request),
            "DuckDB, CREATE TABLE AS read_parquet, sorted": lambda: _bare_build(folder, paths, "ORDER BY 1, 3"),
            "DuckDB, CREATE TABLE AS read_parquet": lambda: _bare_build(folder, paths, ""),
        },
        rounds=size.rounds // 2,
    )
    yield figure(measured, "ms")
    store.close()


def _bare_build(folder: Path, paths: list[str], order: str) -> None:
    target = folder / "bare.duckdb"
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"CREATE TABLE ohlcv AS SELECT * FROM read_parquet(?) {order}", [paths])  # noqa: S608
