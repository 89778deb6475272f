"""A projection brought up to date on a copy of its file: rows of artifacts that left go, those of new ones come.

New rows stand behind the old ones, sorted among themselves, so a query by token and time reads a few more row groups
than after a build. When more than `LARGEST_CHANGE` of the rows was changed since all were sorted, everything is built
anew instead; so it is when columns, tables or indexes are others, or when the file does not hold what its record says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.projections.build_tables import record_of, write_sources
from quantlab_resources.projections.projection_names import quoted
from quantlab_resources.projections.projection_record import ProjectionRecord, RecordedSource, RecordedTable
from quantlab_resources.projections.stored_inputs import plain_schema, verified_inputs
from quantlab_resources.projections.table_plan import TablePlan, existing, plan_table
from quantlab_resources.projections.table_writing import (
    batches_of,
    delete_rows,
    fingerprint_of_table,
    hash_of_table,
    insert_rows,
)
from quantlab_resources.projections.verified_rows import verified_rows

LARGEST_CHANGE = 0.2
"""Share of a table's rows that may stand out of order, or be gone and still take room, before it is sorted again."""


class NeedsFullBuild(Exception):
    """The file cannot be brought up to date, or building anew is as quick."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """What changes in one table. ``plan`` has the new artifacts, or, where none is new, one that stays."""

    before: RecordedTable
    requested: tuple[str, ...]
    leaving: tuple[RecordedSource, ...]
    arriving: tuple[Artifact, ...]
    plan: TablePlan | None

    @property
    def is_change(self) -> bool:
        """Whether any row changes."""
        return bool(self.leaving or self.arriving)


def plan_changes(
    store: ParquetArtifactStore,
    record: ProjectionRecord,
    request: ProjectionRequest,
    artifacts: Mapping[str, Sequence[Artifact]],
) -> list[TableChange]:
    """What turns the recorded projection into the requested one. Raises NeedsFullBuild, and as `plan_table`."""
    before = {table.built.name: table for table in record.tables}
    if record.form != "duckdb" or request.form != "duckdb" or tuple(before) != tuple(request.tables):
        raise NeedsFullBuild
    if record.indexes != request.indexes:
        raise NeedsFullBuild
    return [_plan_change(store, table, tuple(request.tables[name]), artifacts[name]) for name, table in before.items()]


def change_tables(
    connection: duckdb.DuckDBPyConnection,
    store: ParquetArtifactStore,
    request: ProjectionRequest,
    changes: Sequence[TableChange],
) -> ProjectionRecord:
    """Make the changes in a copy of the file. Raises NeedsFullBuild, and as `verified_rows`."""
    tables = [
        _change_table(connection, store, change, change.plan)
        if change.plan is not None and change.is_change
        else replace(change.before, requested=change.requested)
        for change in changes
    ]
    write_sources(connection, tables)
    return record_of(request, tables)


def _plan_change(
    store: ParquetArtifactStore, before: RecordedTable, requested: tuple[str, ...], artifacts: Sequence[Artifact]
) -> TableChange:
    known = {entry.artifact_id for entry in before.sources}
    wanted = {artifact.artifact_id for artifact in artifacts}
    leaving = tuple(entry for entry in before.sources if entry.artifact_id not in wanted)
    arriving = tuple(artifact for artifact in artifacts if artifact.artifact_id not in known)
    if not leaving and not arriving:
        return TableChange(before, requested, (), (), None)
    changed = sum(entry.row_count for entry in leaving) + sum(artifact.row_count for artifact in arriving)
    if not wanted or not known or changed + before.appended_rows > LARGEST_CHANGE * before.built.row_count:
        raise NeedsFullBuild
    stays = [entry.artifact_id for entry in before.sources if entry.artifact_id in wanted][:1]
    plan = plan_table(before.built.name, verified_inputs(store, arriving or existing(store, stays)))
    if plan.shape.columns != before.built.columns:
        raise NeedsFullBuild  # which says, naming artifacts, what does not fit
    return TableChange(before, requested, leaving, arriving, plan)


def _change_table(
    connection: duckdb.DuckDBPyConnection, store: ParquetArtifactStore, change: TableChange, plan: TablePlan
) -> RecordedTable:
    before, shape = change.before, plan.shape
    own = ", ".join(quoted(name) for name in shape.schema.names)
    stored = batches_of(connection, f"SELECT {own} FROM {quoted(shape.name)} LIMIT 0", {}, 1)  # noqa: S608
    if plain_schema(stored.schema) != shape.schema:
        raise NeedsFullBuild
    rows_hash, sources = before.rows_hash, list(before.sources)
    arrived: list[RecordedSource] = []
    if change.leaving:
        leaving = [entry.source_id for entry in change.leaving]
        rows_hash -= hash_of_table(connection, shape, leaving)
        delete_rows(connection, shape, leaving)
        sources = [entry for entry in sources if entry.source_id not in set(leaving)]
    if change.arriving:
        first = max(entry.source_id for entry in before.sources) + 1
        with verified_rows(connection, store, plan, first_source_id=first) as rows:
            counted = insert_rows(connection, shape, rows)
        arrived = [RecordedSource.of(c.source_id, rows.sources[c.source_id].artifact, c.row_count) for c in counted]
        rows_hash += hash_of_table(connection, shape, [entry.source_id for entry in arrived])
        sources += arrived
    row_count = _checked_row_count(connection, shape.name, sources)
    moved = sum(entry.row_count for entry in (*change.leaving, *arrived))
    return RecordedTable(
        requested=change.requested,
        sources=tuple(sources),
        built=replace(before.built, row_count=row_count),
        rows_hash=rows_hash,
        fingerprint=fingerprint_of_table(shape, row_count, rows_hash),
        appended_rows=before.appended_rows + moved,
    )


def _checked_row_count(connection: duckdb.DuckDBPyConnection, table: str, sources: Sequence[RecordedSource]) -> int:
    """The rows of the table. Raises NeedsFullBuild when they are not those that its record counts."""
    ((count,),) = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchall()  # noqa: S608
    if count != sum(entry.row_count for entry in sources):
        raise NeedsFullBuild
    return int(count)
