"""The projection builder: DuckDB files in the cache folder, built from verified artifacts and swapped in by rename."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.errors import ConflictError, InvalidInputError, ProjectionNotFoundError, StorageError
from quantlab_core.projections.projection_builder import (
    ProjectionIndex,
    ProjectionRequest,
    ProjectionResult,
    ProjectionTable,
)
from quantlab_resources.advisory_lock import locked
from quantlab_resources.projections.duckdb_file import open_read_only, remove_duckdb_file, writing_duckdb_file
from quantlab_resources.projections.projection_names import check_projection_id, check_table_names
from quantlab_resources.projections.projection_record import (
    ProjectionRecord,
    RecordedTable,
    embed_record,
    embedded_record,
    projection_input,
    read_record,
    write_record,
)
from quantlab_resources.projections.table_plan import TablePlan, current_heads, existing, expand_sets, plan_table
from quantlab_resources.projections.table_writing import (
    check_index_requests,
    fingerprint_table,
    serve_indexes,
    write_table,
)


class DuckDBProjectionBuilder:
    """Builds ``<cache_dir>/<id>.duckdb`` with its record ``<id>.json`` (see docs/projections.md).

    Implements `ProjectionBuilder`. One build of an id runs at a time, also across processes; others wait. A file of
    that name that quantlab did not build is never replaced or deleted (ConflictError).
    """

    def __init__(self, store: ArtifactStore, cache_dir: Path) -> None:
        self._store = store
        self._cache_dir = cache_dir

    def build(self, request: ProjectionRequest) -> ProjectionResult:
        """Build or replace the projection. After an error the previous file is as it was.

        A table whose sets have no member is recorded with no rows and left out of the file: it has no columns.
        Raises InvalidInputError (names, nothing to build), SchemaError, ArtifactNotFoundError, ArtifactDamagedError,
        ArtifactMissingError, ConflictError (a file that quantlab did not build), StorageError.
        """
        check_projection_id(request.projection_id)
        check_table_names([*request.tables, *(index.table for index in request.indexes)])
        expanded = {name: expand_sets(self._store, ids) for name, ids in request.tables.items()}
        with self._locked(request.projection_id):
            return self._build(request.projection_id, request.tables, expanded, request.indexes)

    def refresh(self, projection_id: str) -> ProjectionResult:
        """Build from the present heads of the keys that it was built from.

        A set is replaced by the head of its own key, then its members by the heads of theirs. A key whose head was
        withdrawn leaves the projection. Nothing is built when nothing changed and the file is there.
        Raises as `build`, and ProjectionNotFoundError.
        """
        with self._locked(projection_id):
            record = self._existing_record(projection_id)
            requested = {table.built.name: _head_ids(self._store, table.requested) for table in record.tables}
            expanded = {
                name: current_heads(self._store, expand_sets(self._store, ids)) for name, ids in requested.items()
            }
            before = {table.built.name: [entry.artifact_id for entry in table.inputs] for table in record.tables}
            now = {name: [artifact.artifact_id for artifact in artifacts] for name, artifacts in expanded.items()}
            if now == before and self._path(projection_id).is_file():
                return record.result(self._path(projection_id))
            return self._build(projection_id, requested, expanded, record.indexes)

    def rebuild(self, projection_id: str) -> ProjectionResult:
        """Build again from exactly the artifacts of the record; the file may be gone. Raises as `build`, and
        ProjectionNotFoundError."""
        with self._locked(projection_id):
            record = self._existing_record(projection_id)
            requested = {table.built.name: table.requested for table in record.tables}
            expanded = {
                table.built.name: existing(self._store, [entry.artifact_id for entry in table.inputs])
                for table in record.tables
            }
            return self._build(projection_id, requested, expanded, record.indexes)

    def dispose(self, projection_id: str) -> None:
        """Delete the file; readers that have it open keep it. The record stays. Raises ConflictError, StorageError."""
        with self._locked(projection_id):
            path = self._path(projection_id)
            if not path.exists():
                return
            record = self._record(projection_id)
            if record is None:
                raise self._foreign(path)
            if read_record(self._record_path(projection_id)) != record:
                write_record(self._record_path(projection_id), record)
            remove_duckdb_file(path)

    def exists(self, projection_id: str) -> bool:
        """Whether the projection's file is there. False for an id that none can have."""
        try:
            check_projection_id(projection_id)
        except InvalidInputError:
            return False
        return self._path(projection_id).is_file() and self._record(projection_id) is not None

    def get(self, projection_id: str) -> ProjectionResult:
        """The projection as it was last built; its file may have been disposed. Raises ProjectionNotFoundError."""
        check_projection_id(projection_id)
        return self._existing_record(projection_id).result(self._path(projection_id))

    def list(self) -> list[ProjectionResult]:
        """Every recorded projection by id, whether its file is there or not."""
        files = self._cache_dir.glob("[A-Za-z0-9]*") if self._cache_dir.is_dir() else ()
        ids = sorted({path.stem for path in files if path.suffix in {".duckdb", ".json"}})
        records = [(projection_id, self._record(projection_id)) for projection_id in ids]
        return [record.result(self._path(projection_id)) for projection_id, record in records if record is not None]

    def _build(
        self,
        projection_id: str,
        requested: Mapping[str, Sequence[str]],
        expanded: Mapping[str, Sequence[Artifact]],
        indexes: tuple[ProjectionIndex, ...],
    ) -> ProjectionResult:
        path, record_path = self._path(projection_id), self._record_path(projection_id)
        for taken in (path, record_path):
            if taken.exists() and self._record(projection_id) is None:
                raise self._foreign(taken)
        if not any(expanded.values()):
            raise InvalidInputError(
                f"projection {projection_id}: no artifact was named, directly or through a set; nothing was built"
            )
        plans = {
            name: plan_table(self._store, name, requested[name], artifacts)
            for name, artifacts in expanded.items()
            if artifacts
        }
        for index in indexes:
            if index.table not in requested:
                raise InvalidInputError(
                    f"an index names the table {index.table!r}, which projection {projection_id} does not have"
                )
        for name, plan in plans.items():
            check_index_requests(plan, _of_table(indexes, name))
        self._remove_leftovers(projection_id)
        temporary = self._cache_dir / f".{projection_id}.{os.getpid()}.building"
        with writing_duckdb_file(path, temporary) as connection:
            tables = tuple(
                self._build_table(connection, plans[name], indexes)
                if name in plans
                else _empty_table(name, requested[name])
                for name in requested
            )
            fingerprint = fingerprint_of((table.built.name, table.fingerprint) for table in tables)
            record = ProjectionRecord(projection_id, tables, indexes, fingerprint)
            embed_record(connection, record)
        write_record(record_path, record)
        return record.result(path)

    def _build_table(
        self, connection: duckdb.DuckDBPyConnection, plan: TablePlan, indexes: Sequence[ProjectionIndex]
    ) -> RecordedTable:
        row_count = write_table(connection, self._store, plan)
        served = serve_indexes(connection, plan, _of_table(indexes, plan.name))
        return RecordedTable(
            requested=plan.requested,
            inputs=tuple(projection_input(artifact) for artifact in plan.artifacts),
            built=ProjectionTable(plan.name, row_count, plan.columns, served),
            fingerprint=fingerprint_table(connection, plan),
        )

    def _existing_record(self, projection_id: str) -> ProjectionRecord:
        record = self._record(projection_id)
        if record is None:
            raise ProjectionNotFoundError(f"projection not found: {projection_id} was never built in {self._cache_dir}")
        return record

    def _record(self, projection_id: str) -> ProjectionRecord | None:
        """The record inside the file where there is one, since the file is renamed first; else the one beside it."""
        path = self._path(projection_id)
        if path.is_file():
            try:
                with open_read_only(path) as connection:
                    inside = embedded_record(connection)
            except StorageError:
                inside = None
            if inside is not None and inside.projection_id == projection_id:
                return inside
        return read_record(self._record_path(projection_id))

    def _remove_leftovers(self, projection_id: str) -> None:
        """Files of builds that died: the lock is held, so nobody is writing them."""
        for path in self._cache_dir.iterdir():
            if path.name.startswith(f".{projection_id}.") and path.name.endswith(".building"):
                remove_duckdb_file(path)

    def _locked(self, projection_id: str) -> AbstractContextManager[None]:
        check_projection_id(projection_id)
        return locked(self._cache_dir / f".{projection_id}.lock")

    def _path(self, projection_id: str) -> Path:
        return self._cache_dir / f"{projection_id}.duckdb"

    def _record_path(self, projection_id: str) -> Path:
        return self._cache_dir / f"{projection_id}.json"

    def _foreign(self, path: Path) -> ConflictError:
        return ConflictError(f"{path} was not built by quantlab and is left alone; choose another projection id")


def _head_ids(store: ArtifactStore, artifact_ids: Sequence[str]) -> list[str]:
    return [artifact.artifact_id for artifact in current_heads(store, existing(store, artifact_ids))]


def _of_table(indexes: Sequence[ProjectionIndex], table: str) -> list[ProjectionIndex]:
    return [index for index in indexes if index.table == table]


def _empty_table(name: str, requested: Sequence[str]) -> RecordedTable:
    return RecordedTable(tuple(requested), (), ProjectionTable(name, 0, ()), "")


def fingerprint_of(tables: Iterable[tuple[str, str]]) -> str:
    """The fingerprint of a projection from (name, fingerprint) of its tables; their order does not matter."""
    digest = hashlib.sha256()
    for name, fingerprint in sorted(tables):
        digest.update(f"{name}\t{fingerprint}\n".encode())
    return f"sha256:{digest.hexdigest()}"
