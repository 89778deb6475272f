"""All tables of a projection in a new DuckDB file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionRequest, ProjectionTable
from quantlab_core.projections.row_fingerprint import RowsHash
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.projections.projection_record import (
    ProjectionRecord,
    RecordedSource,
    RecordedTable,
    fingerprint_of,
)
from quantlab_resources.projections.table_plan import TablePlan
from quantlab_resources.projections.table_writing import (
    create_table,
    create_token_table,
    fingerprint_of_table,
    hash_of_table,
    serve_indexes,
)
from quantlab_resources.projections.verified_rows import verified_rows


def build_tables(
    connection: duckdb.DuckDBPyConnection,
    store: ParquetArtifactStore,
    request: ProjectionRequest,
    plans: Mapping[str, TablePlan],
) -> ProjectionRecord:
    """Fill an empty file with the tables of the request; a table without a plan is recorded as empty."""
    create_token_table(connection)
    tables = [
        _build_table(connection, store, plans[name], ids, [index for index in request.indexes if index.table == name])
        if name in plans
        else empty_table(name, ids)
        for name, ids in request.tables.items()
    ]
    write_sources(connection, tables)
    return record_of(request, tables)


def record_of(request: ProjectionRequest, tables: Sequence[RecordedTable]) -> ProjectionRecord:
    """The record of these tables."""
    fingerprint = fingerprint_of((table.built.name, table.fingerprint) for table in tables)
    return ProjectionRecord(
        request.projection_id, request.form, request.cache_dir, tuple(tables), request.indexes, fingerprint
    )


def empty_table(name: str, requested: Sequence[str]) -> RecordedTable:
    """What is recorded of a table whose sets have no member: it has no columns and is not in the file."""
    return RecordedTable(tuple(requested), (), ProjectionTable(name, 0, ()), RowsHash(), "")


def write_sources(connection: duckdb.DuckDBPyConnection, tables: Sequence[RecordedTable]) -> None:
    """Write ``quantlab.sources``: which artifact each ``_source_id`` of each table is."""
    connection.execute(
        "CREATE OR REPLACE TABLE quantlab.sources (table_name VARCHAR, source_id INTEGER, artifact_id VARCHAR,"
        " artifact_type VARCHAR, logical_key VARCHAR, content_hash VARCHAR, row_count BIGINT)"
    )
    for table in tables:
        columns = {
            "ids": [entry.source_id for entry in table.sources],
            "artifacts": [entry.artifact_id for entry in table.sources],
            "types": [entry.artifact_type for entry in table.sources],
            "keys": [entry.logical_key for entry in table.sources],
            "hashes": [entry.content_hash for entry in table.sources],
            "counts": [entry.row_count for entry in table.sources],
        }
        if table.sources:
            connection.execute(
                "INSERT INTO quantlab.sources SELECT $name, unnest($ids::INTEGER[]), unnest($artifacts::VARCHAR[]),"
                " unnest($types::VARCHAR[]), unnest($keys::VARCHAR[]), unnest($hashes::VARCHAR[]),"
                " unnest($counts::BIGINT[])",
                {"name": table.built.name, **columns},
            )


def _build_table(
    connection: duckdb.DuckDBPyConnection,
    store: ParquetArtifactStore,
    plan: TablePlan,
    requested: Sequence[str],
    indexes: Sequence[ProjectionIndex],
) -> RecordedTable:
    shape = plan.shape
    with verified_rows(connection, store, plan) as rows:
        counted = create_table(connection, shape, rows)
    sources = tuple(
        RecordedSource.of(source.source_id, rows.sources[source.source_id].artifact, source.row_count)
        for source in counted
    )
    served = serve_indexes(connection, shape, indexes)
    row_count = sum(source.row_count for source in sources)
    rows_hash = hash_of_table(connection, shape)
    return RecordedTable(
        requested=tuple(requested),
        sources=sources,
        built=ProjectionTable(shape.name, row_count, shape.columns, served),
        rows_hash=rows_hash,
        fingerprint=fingerprint_of_table(shape, row_count, rows_hash),
    )
