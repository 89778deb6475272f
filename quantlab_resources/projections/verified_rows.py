"""The verified rows of a table's artifacts as an SQL query, for whoever sorts and writes them.

DuckDB reads files whose columns are the table's itself; what needs an upcast or a cast is decoded by the store, one
artifact at a time, into a temporary table first. The two are never mixed within one reading of files: `read_parquet`
over files whose schemas differ drops columns or rounds numbers without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.errors import ArtifactDamagedError, QuantlabError, SchemaError, first_line
from quantlab_resources.projections.projection_names import quoted
from quantlab_resources.projections.stored_inputs import (
    StoredInput,
    VerifiedFile,
    check_unchanged,
    plain_schema,
    schema_difference,
)
from quantlab_resources.projections.table_plan import SOURCE_ID, TIME, TablePlan, TableShape

ROW = "_row"
_DECODED = "quantlab_decoded"
_STREAM = "quantlab_stream"


@dataclass(frozen=True, slots=True)
class VerifiedRows:
    """``query`` gives the content columns, `SOURCE_ID` and `ROW` (the row's place in its artifact), in no order;
    ``parameters`` belong to it. ``sources`` has the artifact of each source id, ``tokens`` every token that occurs."""

    query: str
    parameters: Mapping[str, list[str]]
    sources: Mapping[int, StoredInput]
    tokens: frozenset[str]


@contextmanager
def verified_rows(
    connection: duckdb.DuckDBPyConnection, store: ArtifactStore, plan: TablePlan, *, first_source_id: int = 0
) -> Iterator[VerifiedRows]:
    """The rows of the plan's artifacts; sources are numbered from ``first_source_id``. Use them within the block.

    The block ends with an error when a file was changed meanwhile; after an error the connection is of no more use.
    Raises what the store raises, SchemaError for an artifact without its type's columns or with text that is no time.
    """
    direct = [(entry, entry.file) for entry in plan.inputs if entry.file is not None]
    decoded = [entry for entry in plan.inputs if entry.file is None]
    sources = dict(enumerate([entry for entry, _ in direct] + decoded, first_source_id))
    tokens = {token for _, file in direct for token in file.tokens}
    queries = []
    if direct:
        columns = ", ".join(quoted(name) for name in plan.shape.schema.names)
        queries.append(
            f"SELECT {columns}, CAST(file_index + {first_source_id} AS INTEGER) AS {SOURCE_ID},"  # noqa: S608
            f" file_row_number AS {ROW} FROM read_parquet($files, hive_partitioning = false, union_by_name = false)"
        )
    if decoded:
        _decode(connection, store, plan.shape, decoded, first_source_id + len(direct))
        queries.append(f"SELECT * FROM {_DECODED}")  # noqa: S608
        tokens |= _distinct_tokens(connection, plan.shape)
    query = _with_time(" UNION ALL ".join(queries), plan.shape)
    parameters = {"files": [file.path for _, file in direct]} if direct else {}
    with _reading_errors(plan.shape, [file for _, file in direct]):
        yield VerifiedRows(query, parameters, sources, frozenset(tokens))
    check_unchanged(file for _, file in direct)
    connection.execute(f"DROP TABLE IF EXISTS {_DECODED}")


def _with_time(query: str, shape: TableShape) -> str:
    if not shape.adds_time:
        return query
    time = f"CAST({quoted(shape.time_column or TIME)} AS TIMESTAMPTZ) AS {TIME}"
    own = ", ".join(quoted(name) for name in shape.schema.names)
    return f"SELECT {own}, {time}, {SOURCE_ID}, {ROW} FROM ({query})"  # noqa: S608


@contextmanager
def _reading_errors(shape: TableShape, files: Sequence[VerifiedFile]) -> Iterator[None]:
    """DuckDB's errors in reading as ours: text that is no time, a file that was swapped under its hands."""
    try:
        yield
    except duckdb.ConversionException as error:
        raise SchemaError(
            f"table {shape.name!r}: column {shape.time_column!r} cannot be read as times: {first_line(error)}"
        ) from error
    except duckdb.Error:
        check_unchanged(files)
        raise


def _decode(
    connection: duckdb.DuckDBPyConnection,
    store: ArtifactStore,
    shape: TableShape,
    inputs: Sequence[StoredInput],
    first_source_id: int,
) -> None:
    rows = _DecodedRows(store, shape, inputs, first_source_id)
    connection.register(_STREAM, pa.RecordBatchReader.from_batches(rows.schema, rows.batches()))
    try:
        connection.execute(f"CREATE TEMP TABLE {_DECODED} AS SELECT * FROM {_STREAM}")  # noqa: S608
    except duckdb.Error:
        # An error of the stream reaches DuckDB as text only; the store's own error is what the caller must see.
        if rows.error is not None:
            raise rows.error from None
        raise
    finally:
        connection.unregister(_STREAM)


def _distinct_tokens(connection: duckdb.DuckDBPyConnection, shape: TableShape) -> set[str]:
    if shape.token_column is None:
        return set()
    token = quoted(shape.token_column)
    found = connection.execute(f"SELECT DISTINCT {token} FROM {_DECODED} WHERE {token} IS NOT NULL").fetchall()  # noqa: S608
    return {str(row[0]) for row in found}


class _DecodedRows:
    """Artifacts as batches of the table's schema with source and row; keeps the error that ended the stream."""

    def __init__(
        self, store: ArtifactStore, shape: TableShape, inputs: Sequence[StoredInput], first_source_id: int
    ) -> None:
        self._store = store
        self._shape = shape
        self._inputs = inputs
        self._first_source_id = first_source_id
        self.schema = shape.schema.append(pa.field(SOURCE_ID, pa.int32())).append(pa.field(ROW, pa.int64()))
        self.error: QuantlabError | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        for source_id, entry in enumerate(self._inputs, self._first_source_id):
            try:
                table = self._table(entry)
            except QuantlabError as error:
                self.error = error
                raise
            numbered = table.append_column(SOURCE_ID, pa.array([source_id] * table.num_rows, pa.int32()))
            rows = pa.array(range(table.num_rows), pa.int64())
            yield from numbered.append_column(ROW, rows).cast(self.schema).to_batches()

    def _table(self, entry: StoredInput) -> pa.Table:
        artifact = entry.artifact
        table = read_newest(self._store, artifact)
        found = plain_schema(table.schema)
        if difference := schema_difference(self._shape.schema, found):
            raise SchemaError(
                f"table {self._shape.name!r}: {artifact.artifact_id} does not have the columns of its type: "
                f"{difference} (first: the type)"
            )
        return table.select(self._shape.schema.names).cast(self._shape.schema)


def check_row_count(entry: StoredInput, found: int, table: str) -> None:
    """Raise ArtifactDamagedError when DuckDB read fewer or more rows of a file than the manifest says it has."""
    if entry.file is not None and found != entry.artifact.row_count:
        raise ArtifactDamagedError(
            f"{entry.file.path} gave {found} rows to table {table!r}, the manifest says {entry.artifact.row_count};"
            " nothing was built; see `quantlab lake verify`"
        )
