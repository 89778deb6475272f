"""The candles of many alerts: the files that the manifest names, beside a view over all files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.measurement import Figure, figure, interleaved
from benchmarks.workload import FIRST_CANDLE_MS, Size, new_lake, slice_request, token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.current_candles import current_candles

SLICES_PER_ALERT = 7
"""Slices of the lake for each alert that is asked about: 3,500 for 500, nearly as many as the earlier lake had."""

_AT_ONCE = 100


def figures(size: Size, folder: Path) -> Iterator[Figure]:
    """All alerts through the manifest, every file verified; beside one query per alert of a view over every file, and
    beside one join of that view with all alerts, which only who knows them all beforehand can ask.

    A query of the view costs so much that ``batch`` of them stand for all. Answers are compared before anything counts.
    """
    store = new_lake(folder / "lake")
    paths = _publish(store, size)
    start = datetime.fromtimestamp(FIRST_CANDLE_MS / 1_000, UTC)
    end = start + timedelta(minutes=size.slice_rows // 2)
    numbers = range(0, len(paths), SLICES_PER_ALERT)
    connection = duckdb.connect()
    listed = ", ".join(f"'{path}'" for path in paths)
    connection.execute(f"CREATE VIEW candles AS SELECT * FROM read_parquet([{listed}])")  # noqa: S608 - our own
    connection.execute("CREATE TABLE alerts (token_address VARCHAR)")
    connection.executemany("INSERT INTO alerts VALUES (?)", [[token(number)] for number in numbers])

    def by_manifest(number: int) -> pa.Table:
        return current_candles(store, token(number), start, end)

    def asked(query: str, values: list[object]) -> pa.Table:
        found: pa.Table = connection.sql(query, params=values).to_arrow_table()
        return found

    def by_view(number: int) -> pa.Table:
        return asked(
            "FROM candles WHERE token_address = ? AND ts >= ? AND ts < ? ORDER BY ts", [token(number), start, end]
        )

    def by_join() -> pa.Table:
        return asked("FROM candles JOIN alerts USING (token_address) WHERE ts >= ? AND ts < ?", [start, end])

    if not by_manifest(0).num_rows == by_view(0).num_rows == by_join().num_rows // len(numbers) == size.slice_rows // 2:
        raise RuntimeError("the manifest and the view do not give the same candles, so their times say nothing")
    whole = {
        f"candles of {len(numbers):,} alerts by the manifest ({len(paths):,} slices)": (
            lambda: [by_manifest(number) for number in numbers]
        ),
        "a DuckDB view over all files, all alerts in one join": by_join,
    }
    some = numbers[: size.batch]
    one_by_one = {"a DuckDB view over all files, a query per alert": lambda: [by_view(number) for number in some]}
    yield figure(
        interleaved(whole, rounds=size.rounds, operations=len(numbers))
        | interleaved(one_by_one, rounds=size.rounds // 3, operations=len(some)),
        "ms",
    )
    connection.close()
    store.close()


def _publish(store: ParquetArtifactStore, size: Size) -> list[str]:
    """Paths of all slices, each of a token of its own."""
    count = size.tokens * SLICES_PER_ALERT
    paths = []
    for first in range(0, count, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, count))
        results = store.publish_many([slice_request(number, size.slice_rows) for number in numbers])
        paths += [result.artifact.path_parquet for result in results]
    return paths
