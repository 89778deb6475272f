"""The projection builder: DuckDB files and datasets, built aside from verified artifacts and swapped in when done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.errors import InvalidInputError, StorageError
from quantlab_core.projections.projection_builder import (
    Eviction,
    ProjectionRequest,
    ProjectionResult,
    ProjectionState,
    ProjectionTable,
)
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import make_directory
from quantlab_resources.projections.bucketed_dataset import (
    WrittenRows,
    check_dataset_plan,
    write_dataset,
)
from quantlab_resources.projections.build_tables import build_tables, record_of
from quantlab_resources.projections.candle_pack_projection import CandlePackFiles
from quantlab_resources.projections.change_tables import NeedsFullBuild, change_tables, plan_changes
from quantlab_resources.projections.current_inputs import current_ids, current_members
from quantlab_resources.projections.duckdb_file import (
    embed_text,
    open_read_only,
    writing_duckdb_file,
)
from quantlab_resources.projections.eviction import evict
from quantlab_resources.projections.projection_names import check_projection_id, check_table_names
from quantlab_resources.projections.projection_record import (
    ProjectionRecord,
    RecordedSource,
    RecordedTable,
    encode_record,
)
from quantlab_resources.projections.projection_state import state_of
from quantlab_resources.projections.recorded_projections import RecordedProjections
from quantlab_resources.projections.stored_inputs import verified_inputs
from quantlab_resources.projections.table_plan import TablePlan, existing, expand_sets, plan_table
from quantlab_resources.projections.table_writing import check_index_requests, fingerprint_of_table
from quantlab_resources.projections.unfinished_builds import building_path, remove_unfinished_builds
from quantlab_resources.projections.verified_rows import VerifiedRows

Inputs = Mapping[str, Sequence[Artifact]]


class DuckDBProjectionBuilder:
    """Builds ``<cache_dir>/<id>.duckdb`` or the dataset ``<cache_dir>/<id>/`` (see docs/projections.md).

    Implements `ProjectionBuilder`. One build of an id runs at a time, also across processes; others wait. A file of
    that name that quantlab did not build, or built from another lake, is never replaced, read or deleted
    (ConflictError). Records lie in the folder ``projections`` of the lake, so the whole cache can be deleted.
    """

    def __init__(self, store: ParquetArtifactStore, cache_dir: Path) -> None:
        self._store = store
        self._recorded = RecordedProjections(store.paths.projection_records, cache_dir, store.paths.manifest_db)
        self.packs = CandlePackFiles(store, cache_dir)

    def build(self, request: ProjectionRequest, *, incremental: bool = False) -> ProjectionResult:
        """Build or replace the projection. After an error the previous file is as it was.

        A table whose sets have no member is recorded with no rows and left out of the file: it has no columns.
        Raises InvalidInputError (names, nothing to build), SchemaError, ArtifactNotFoundError, ArtifactDamagedError,
        ArtifactMissingError, ConflictError (a file of another maker or lake), StorageError.
        """
        check_projection_id(request.projection_id)
        check_table_names([*request.tables, *(index.table for index in request.indexes)])
        if request.form == "pack":
            raise InvalidInputError(
                f"projection {request.projection_id}: a candle pack is built by the experiment that needs it"
            )
        request = replace(request, cache_dir=self._recorded.cache_dir(request.cache_dir))
        inputs = {name: expand_sets(self._store, ids) for name, ids in request.tables.items()}
        with self._recorded.locked(request.projection_id, request):
            return self._make(request, inputs, incremental=incremental)

    def refresh(self, projection_id: str) -> ProjectionResult:
        """Make the projection of the present heads of the keys that it was built from.

        A set is replaced by the head of its own key, then its members by the heads of theirs. A key whose head was
        withdrawn leaves the projection. Nothing is written when nothing changed and the file is there; a DuckDB file is
        changed on a copy where that is quicker than building it anew. Raises as `build`, and ProjectionNotFoundError.
        """
        check_projection_id(projection_id)
        with self._recorded.locked(projection_id):
            record = self._recorded.get(projection_id)
            tables = {name: current_ids(self._store, ids) for name, ids in record.request.tables.items()}
            inputs = {name: current_members(self._store, ids) for name, ids in tables.items()}
            return self._make(replace(record.request, tables=tables), inputs, incremental=True)

    def rebuild(self, projection_id: str) -> ProjectionResult:
        """Build again from exactly the artifacts of the record; the file may be gone. Raises as `build`, and
        ProjectionNotFoundError."""
        check_projection_id(projection_id)
        with self._recorded.locked(projection_id):
            record = self._recorded.get(projection_id)
            inputs = {
                table.built.name: existing(self._store, [entry.artifact_id for entry in table.sources])
                for table in record.tables
            }
            return self._make(record.request, inputs, incremental=False)

    def dispose(self, projection_id: str) -> None:
        """Delete the file; readers that have it open keep it. The record stays. Raises ConflictError, StorageError."""
        check_projection_id(projection_id)
        if self.packs.exists(projection_id):
            self.packs.remove(projection_id)
            return
        with self._recorded.locked(projection_id):
            record = self._recorded.find(projection_id)
            if record is None:
                self._recorded.check_ours(projection_id, self._recorded.path(projection_id, "duckdb", None))
                return
            self._recorded.remove(record)
            self._recorded.save(record)

    def exists(self, projection_id: str) -> bool:
        """Whether the projection's file is there. False for an id that none can have."""
        try:
            check_projection_id(projection_id)
        except InvalidInputError:
            return False
        record = self._recorded.find(projection_id)
        return self.packs.exists(projection_id) or (record is not None and self._recorded.is_there(record))

    def get(self, projection_id: str) -> ProjectionResult:
        """The projection as it was last built; its file may have been disposed. Raises ProjectionNotFoundError."""
        check_projection_id(projection_id)
        return self._result(self._recorded.get(projection_id))

    def list(self) -> list[ProjectionResult]:
        """Every recorded projection by id, whether its file is there or not."""
        return [self._result(record) for record in self._recorded.all()]

    def states(self) -> tuple[ProjectionState, ...]:
        """Every recorded projection by id with size, last use, and what has changed since it was built; then the
        candle packs in the lake's cache."""
        recorded = (state_of(self._store, self._recorded, record) for record in self._recorded.all())
        return (*recorded, *self.packs.states())

    def evict(self, max_bytes: int, *, apply: bool, keep: Sequence[str] = ()) -> Eviction:
        """Dispose the least recently used projections until the rest takes ``max_bytes`` at most; see the port."""
        return evict(self._recorded, self.packs, self.states(), max_bytes, apply=apply, keep=keep)

    def open(self, projection_id: str) -> duckdb.DuckDBPyConnection:
        """A read-only connection to the projection's file as it is now; counts as a use of it.

        Close it, or use it in a ``with`` block. It keeps this file when the projection is built again; writes are
        refused by DuckDB. Raises ProjectionNotFoundError, ConflictError (a file of another maker or lake), StorageError
        (disposed: `rebuild` brings it back), and InvalidInputError for a dataset, whose files are read where they are.
        """
        check_projection_id(projection_id)
        record = self._recorded.get(projection_id)
        path = self._recorded.path_of(record)
        self._recorded.check_ours(projection_id, path)
        if record.form != "duckdb":
            raise InvalidInputError(f"projection {projection_id} is a dataset; read the Parquet files below {path}")
        if not path.is_file():
            raise StorageError(f"{path} is not there; `quantlab projections rebuild {projection_id}` brings it back")
        self._recorded.note_use(record, self._store.clock.now())
        return open_read_only(path)

    def _make(self, request: ProjectionRequest, inputs: Inputs, *, incremental: bool) -> ProjectionResult:
        """Build, or change on a copy, with the lock of the id held."""
        path = self._recorded.path(request.projection_id, request.form, request.cache_dir)
        before = self._recorded.find(request.projection_id)
        self._recorded.check_ours(request.projection_id, path)
        if not any(inputs.values()):
            raise InvalidInputError(
                f"projection {request.projection_id}: no artifact was named, directly or through a set;"
                " nothing was built"
            )
        make_directory(path.parent)
        remove_unfinished_builds(path.parent, request.projection_id)
        record = self._changed(request, inputs, before, path) if incremental and before is not None else None
        if record is None:
            record = self._built(request, inputs, path)
        self._recorded.save(record)
        if before is not None and self._recorded.path_of(before) != path and self._recorded.is_there(before):
            self._recorded.remove(before)
        return record.result(path)

    def _changed(
        self, request: ProjectionRequest, inputs: Inputs, before: ProjectionRecord, path: Path
    ) -> ProjectionRecord | None:
        """The record after changing what differs; None where everything has to be built."""
        if self._recorded.path_of(before) != path or not self._recorded.is_there(before):
            return None
        if _holds(before, request, inputs):
            tables = [replace(t, requested=tuple(request.tables[t.built.name])) for t in before.tables]
            return self._recorded.of_this_lake(record_of(request, tables))
        try:
            changes = plan_changes(self._store, before, request, inputs)
            with writing_duckdb_file(
                path, building_path(path.parent, request.projection_id), copy_of=path
            ) as connection:
                record = self._recorded.of_this_lake(change_tables(connection, self._store, request, changes))
                embed_text(connection, encode_record(record))
        except (NeedsFullBuild, StorageError, duckdb.Error):
            return None  # whatever is wrong with the old file, a new one does without it
        return record

    def _built(self, request: ProjectionRequest, inputs: Inputs, path: Path) -> ProjectionRecord:
        plans = {
            name: plan_table(name, verified_inputs(self._store, artifacts))
            for name, artifacts in inputs.items()
            if artifacts
        }
        for index in request.indexes:
            if index.table not in request.tables:
                raise InvalidInputError(
                    f"an index names the table {index.table!r}, which projection {request.projection_id} does not have"
                )
        for name, plan in plans.items():
            check_index_requests(plan.shape, [index for index in request.indexes if index.table == name])
        if request.form == "dataset":
            return self._built_dataset(request, plans, path)
        with writing_duckdb_file(path, building_path(path.parent, request.projection_id)) as connection:
            record = self._recorded.of_this_lake(build_tables(connection, self._store, request, plans))
            embed_text(connection, encode_record(record))
        return record

    def _built_dataset(
        self, request: ProjectionRequest, plans: Mapping[str, TablePlan], path: Path
    ) -> ProjectionRecord:
        if len(request.tables) != 1 or request.indexes:
            raise InvalidInputError(
                f"dataset {request.projection_id}: it holds one table and no index; build a DuckDB file for more"
            )
        ((name, plan),) = plans.items()
        check_dataset_plan(request.projection_id, plan)
        records: list[ProjectionRecord] = []

        def record_text(written: WrittenRows, rows: VerifiedRows) -> str:
            sources = tuple(
                RecordedSource.of(source_id, entry.artifact, written.row_counts[source_id])
                for source_id, entry in rows.sources.items()
            )
            table = RecordedTable(
                requested=tuple(request.tables[name]),
                sources=sources,
                built=ProjectionTable(name, written.row_count, (*plan.shape.content_columns, "bucket", "month")),
                rows_hash=written.rows_hash,
                fingerprint=fingerprint_of_table(plan.shape, written.row_count, written.rows_hash),
            )
            records.append(self._recorded.of_this_lake(record_of(request, [table])))
            return encode_record(records[0])

        write_dataset(self._store, plan, path, record_text)
        return records[0]

    def _result(self, record: ProjectionRecord) -> ProjectionResult:
        return record.result(self._recorded.path_of(record))


def _holds(before: ProjectionRecord, request: ProjectionRequest, inputs: Inputs) -> bool:
    """Whether the recorded projection has these tables, indexes and artifacts."""
    held = {table.built.name: {entry.artifact_id for entry in table.sources} for table in before.tables}
    wanted = {name: {artifact.artifact_id for artifact in artifacts} for name, artifacts in inputs.items()}
    return held == wanted and before.indexes == request.indexes and before.form == request.form
