"""The bucketed dataset: one table as Parquet files by bucket of the token and month, for scans by other tools.

The layout is the earlier system's: ``<id>/bucket=<n>/month=<YYYY-MM>/part-0.parquet``, with hive partitioning. Files of
equal content have equal bytes. ``<id>`` is a link to the folder that was built last, replaced in one step.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quantlab_core.candles.neighbouring_rows import run_starts
from quantlab_core.errors import InvalidInputError, SchemaError
from quantlab_core.projections.row_fingerprint import RowsHash, hash_of_rows
from quantlab_core.projections.token_buckets import bucket_of
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import (
    make_directory,
    storage_errors,
    sync_directory,
    write_staged,
)
from quantlab_resources.artifacts.files.parquet_files import plain_parquet
from quantlab_resources.projections.duckdb_file import sorting_connection
from quantlab_resources.projections.projection_names import quoted
from quantlab_resources.projections.table_plan import SOURCE_ID, TIME, TablePlan
from quantlab_resources.projections.table_writing import batches_of
from quantlab_resources.projections.unfinished_builds import building_path, link_path, new_dataset_path
from quantlab_resources.projections.verified_rows import ROW, VerifiedRows, check_row_count, verified_rows

MARKER = "_quantlab.json"
"""The record inside a dataset. Readers pass over names that begin with an underscore."""

_PART = "part-0.parquet"
_BATCH_ROWS = 131_072


@dataclass(frozen=True, slots=True)
class WrittenRows:
    """What a dataset holds: rows by source id, and their hash, read back from the files."""

    row_counts: dict[int, int]
    rows_hash: RowsHash

    @property
    def row_count(self) -> int:
        """Rows of all sources."""
        return sum(self.row_counts.values())


def check_dataset_plan(projection_id: str, plan: TablePlan) -> None:
    """Raise InvalidInputError for a table without token or time, or an id that a DuckDB file could have."""
    if plan.shape.token_column is None or not plan.shape.has_time:
        raise InvalidInputError(
            f"table {plan.shape.name!r} has no token or no time, by which a dataset is divided; build a DuckDB file"
        )
    if projection_id.endswith(".duckdb"):
        raise InvalidInputError(f"{projection_id!r} cannot be the id of a dataset: it ends like a DuckDB file")


def write_dataset(
    store: ParquetArtifactStore, plan: TablePlan, target: Path, record_text: Callable[[WrittenRows, VerifiedRows], str]
) -> WrittenRows:
    """Build the dataset of one table aside and let ``target`` lead to it; after an error ``target`` is as it was.

    ``record_text`` gives the record that is put inside. Rows lie by token and time in each file.
    Raises what `verified_rows` raises, SchemaError for a row without token or time, StorageError.
    """
    building = building_path(target.parent, target.name)
    make_directory(building)
    try:
        with (
            sorting_connection(building / "spill") as connection,
            verified_rows(connection, store, plan) as rows,
        ):
            written = _write_parts(connection, plan, rows, building)
        (building / MARKER).write_bytes(b"")
        _put(building / MARKER, record_text(written, rows).encode())
        shutil.rmtree(building / "spill", ignore_errors=True)
        _swap(building, target)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return written


def remove_dataset(target: Path) -> None:
    """Delete the dataset and the link to it, if they are there. Raises StorageError."""
    with storage_errors(target):
        if not target.is_symlink():
            return
        folder = target.resolve()
        target.unlink()
        sync_directory(target.parent)
    shutil.rmtree(folder, ignore_errors=True)


def _write_parts(
    connection: duckdb.DuckDBPyConnection, plan: TablePlan, rows: VerifiedRows, folder: Path
) -> WrittenRows:
    tokens = sorted(rows.tokens)
    numbered = pa.table(
        {
            "token": pa.array(tokens, pa.string()),
            "token_id": pa.array(range(len(tokens)), pa.int32()),
            "bucket": pa.array([bucket_of(token) for token in tokens], pa.int32()),
        }
    )
    connection.register("quantlab_tokens", numbered)
    token, content = plan.shape.token_column or "", plan.shape.content_columns
    named = ", ".join(f"r.{quoted(name)}" for name in content)
    query = (
        f"SELECT {named}, r.{SOURCE_ID} AS {SOURCE_ID}, t.bucket AS _bucket,"  # noqa: S608
        f" date_part('year', r.{TIME}) * 12 + date_part('month', r.{TIME}) - 1 AS _month"
        f" FROM ({rows.query}) r LEFT JOIN quantlab_tokens t ON t.token = r.{quoted(token)}"
        f" ORDER BY _bucket NULLS FIRST, _month NULLS FIRST, t.token_id, r.{TIME}, r.{SOURCE_ID}, r.{ROW}"
    )
    counts: dict[int, int] = {}
    total = RowsHash()
    for bucket, month, part in _parts(batches_of(connection, query, rows.parameters, _BATCH_ROWS), plan.shape.name):
        sources, found = np.unique(part.column(SOURCE_ID).to_numpy(), return_counts=True)
        for source_id, count in zip(sources.tolist(), found.tolist(), strict=True):
            counts[source_id] = counts.get(source_id, 0) + count
        total += _write_part(folder / f"bucket={bucket}" / f"month={_month_name(month)}", part.select(content))
    for source_id, entry in rows.sources.items():
        check_row_count(entry, counts.setdefault(source_id, 0), plan.shape.name)
    return WrittenRows(counts, total)


def _parts(reader: pa.RecordBatchReader, table: str) -> Iterator[tuple[int, int, pa.Table]]:
    """Bucket, month (counted from year 0) and rows of each part, as they come sorted."""
    held: tuple[int, int] | None = None
    pieces: list[pa.Table] = []
    for batch in reader:
        if batch.column("_bucket").null_count or batch.column("_month").null_count:
            raise SchemaError(f"table {table!r} has a row without token or time, which belongs to no part of a dataset")
        if not batch.num_rows:
            continue
        buckets, months = batch.column("_bucket").to_numpy(), batch.column("_month").to_numpy()
        starts = [*run_starts(buckets, months).tolist(), batch.num_rows]
        rows = pa.Table.from_batches([batch])
        for start, end in pairwise(starts):
            part = (int(buckets[start]), int(months[start]))
            if held is not None and part != held:
                yield *held, pa.concat_tables(pieces)
                pieces = []
            held = part
            pieces.append(rows.slice(start, end - start))
    if held is not None:
        yield *held, pa.concat_tables(pieces)


def _write_part(folder: Path, rows: pa.Table) -> RowsHash:
    """Write one file, and give the hash of the rows that its bytes hold."""
    data = plain_parquet(rows.combine_chunks().replace_schema_metadata(None))
    make_directory(folder)
    _put(folder / _PART, data)
    back: Any = pq.read_table(pa.BufferReader(data), partitioning=None)
    return hash_of_rows(back)


def _put(path: Path, data: bytes) -> None:
    staged = write_staged(path.parent, [data])
    with storage_errors(path):
        Path(staged).replace(path)
    sync_directory(path.parent)


def _swap(building: Path, target: Path) -> None:
    old = target.resolve() if target.is_symlink() else None
    folder = new_dataset_path(target.parent, target.name)
    link = link_path(target.parent, target.name)
    with storage_errors(target):
        building.rename(folder)
        link.unlink(missing_ok=True)
        link.symlink_to(folder.name)
        sync_directory(target.parent)
        link.replace(target)
    sync_directory(target.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _month_name(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"
