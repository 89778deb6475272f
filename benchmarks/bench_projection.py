"""Projections of many token series: building, refreshing after a few changes, and the memory that takes."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.child_process import PYTHON, programs
from benchmarks.measurement import Figure, Measured, figure, interleaved
from benchmarks.workload import Size, candle_slice, new_lake, slice_request
from quantlab_core.artifacts.artifact import Artifact, PublishRequest
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder

SERIES = 3_641
"""Slices of the earlier system's lake."""

CHANGED = 20
_PUBLISHED_AT_ONCE = 200
_REBUILD = """
import json, sys
from pathlib import Path
from benchmarks.workload import new_lake
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
home, cache = json.loads(sys.argv[1])
DuckDBProjectionBuilder(new_lake(Path(home)), Path(cache)).rebuild("bench")
"""
_PLAIN = """
import json, sys, duckdb
from pathlib import Path
target, paths = json.load(sys.stdin)
Path(target).unlink(missing_ok=True)
duckdb.connect(target).execute("CREATE TABLE ohlcv AS SELECT * FROM read_parquet(?)", [paths])
"""


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """A build (verified, sorted, with source columns, fingerprinted, durable) beside DuckDB over the same files.

    Then a refresh after `CHANGED` artifacts were replaced, beside the rebuild that ends the same; then peak memory.
    """
    home, cache = folder / "lake", folder / "cache"
    store = new_lake(home)
    series = min(SERIES, 8 * size.tokens)
    artifacts = _published(store, series, size.slice_rows)
    builder = DuckDBProjectionBuilder(store, cache)
    request = ProjectionRequest("bench", {"ohlcv": [artifact.artifact_id for artifact in artifacts]})
    paths = [artifact.path_parquet for artifact in artifacts]
    rounds = size.rounds // 2
    rows = series * size.slice_rows
    measured = interleaved(
        {
            f"build of {series:,} series ({rows:,} rows)": lambda: builder.build(request),
            "DuckDB, CREATE TABLE AS read_parquet": lambda: _bare_build(folder, paths, ""),
            "DuckDB, CREATE TABLE AS read_parquet, sorted": lambda: _bare_build(folder, paths, "ORDER BY 1, 3"),
        },
        rounds=rounds,
    )
    yield figure(measured, "ms")
    yield figure(_refreshing(store, builder, artifacts, size.slice_rows, rounds), "ms")
    _, peaks = programs(
        {
            "rebuild, peak memory": [PYTHON, "-c", _REBUILD, json.dumps([str(home), str(cache)])],
            "DuckDB, CREATE TABLE AS read_parquet": [PYTHON, "-c", _PLAIN],
        },
        rounds=0,
        inputs={"DuckDB, CREATE TABLE AS read_parquet": json.dumps([str(folder / "bare.duckdb"), paths]).encode()},
    )
    yield figure(peaks, "MiB")
    store.close()


def _published(store: ParquetArtifactStore, series: int, slice_rows: int) -> list[Artifact]:
    requests = (slice_request(number, slice_rows) for number in range(series))
    artifacts: list[Artifact] = []
    while batch := list(islice(requests, _PUBLISHED_AT_ONCE)):
        artifacts += [result.artifact for result in store.publish_many(batch)]
    return artifacts


def _refreshing(
    store: ParquetArtifactStore,
    builder: DuckDBProjectionBuilder,
    artifacts: Sequence[Artifact],
    slice_rows: int,
    rounds: int,
) -> dict[str, Measured]:
    """Each round replaces artifacts, refreshes, and rebuilds what the refresh gave; only the last two are measured."""
    step = max(1, len(artifacts) // CHANGED)
    changed = range(0, len(artifacts), step)[:CHANGED]
    subject, peer = f"refresh after {len(changed)} changed artifacts", "rebuild"
    walls: dict[str, list[float]] = {subject: [], peer: []}
    cpus: dict[str, list[float]] = {subject: [], peer: []}
    for number in range(rounds + 1):
        store.publish_many([_replacement(which, slice_rows, number + 1) for which in changed])
        fingerprints = set()
        for name, action in ((subject, builder.refresh), (peer, builder.rebuild)):
            wall, cpu = time.perf_counter(), time.process_time()
            fingerprints.add(action("bench").fingerprint)
            walls[name].append(time.perf_counter() - wall)
            cpus[name].append(time.process_time() - cpu)
        if len(fingerprints) != 1:
            raise RuntimeError("a refresh and a rebuild of the same artifacts have different fingerprints")
    return {name: Measured(name, statistics.median(walls[name]), statistics.median(cpus[name])) for name in walls}


def _replacement(number: int, slice_rows: int, edition: int) -> PublishRequest:
    """New content under the key of a series: other volumes."""
    table = candle_slice(number, slice_rows)
    place = table.schema.get_field_index("volume")
    other = table.set_column(place, table.schema.field(place), pa.array([float(edition)] * table.num_rows))
    return replace(slice_request(number, slice_rows), data=other)


def _bare_build(folder: Path, paths: list[str], order: str) -> None:
    target = folder / "bare.duckdb"
    target.unlink(missing_ok=True)
    with duckdb.connect(str(target)) as connection:
        connection.execute(f"CREATE TABLE ohlcv AS SELECT * FROM read_parquet(?) {order}", [paths])  # noqa: S608
