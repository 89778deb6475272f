"""One table of a projection: filled from verified artifacts, sorted, indexed where that helps, and fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import duckdb
import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.table_normal_form import inferred_type
from quantlab_core.errors import InvalidInputError, QuantlabError, SchemaError
from quantlab_core.projections.projection_builder import ProjectionIndex
from quantlab_resources.projections.projection_names import quoted
from quantlab_resources.projections.table_plan import TIME, TablePlan, plain_schema, schema_difference

FINGERPRINT_BLOCK_ROWS = 131_072
_SOURCE = "artifact_rows"


def write_table(connection: duckdb.DuckDBPyConnection, store: ArtifactStore, plan: TablePlan) -> int:
    """Create the table of ``plan`` with its rows in the plan's order; returns their number.

    Rows stream from `ArtifactStore.read`, so the bytes that were verified are the bytes that are inserted, and one
    artifact is in memory at a time. Raises what the store raises, and SchemaError for an artifact outside the plan.
    """
    rows = _VerifiedRows(store, plan)
    time = f", CAST({quoted(plan.time_column or TIME)} AS TIMESTAMPTZ) AS {TIME}" if plan.adds_time else ""
    order = ", ".join(f"{quoted(name)} NULLS LAST" for name in plan.row_order)
    connection.register(_SOURCE, pa.RecordBatchReader.from_batches(plan.schema, rows.batches()))
    try:
        connection.execute(f"CREATE TABLE {quoted(plan.name)} AS SELECT *{time} FROM {_SOURCE} ORDER BY {order}")  # noqa: S608
    except duckdb.ConversionException as error:
        raise SchemaError(
            f"table {plan.name!r}: column {plan.time_column!r} cannot be read as times: {str(error).splitlines()[0]}"
        ) from error
    except duckdb.Error:
        # An error of the stream reaches DuckDB as text only; the store's own error is what the caller must see.
        if rows.error is not None:
            raise rows.error from None
        raise
    finally:
        connection.unregister(_SOURCE)
    # Fetched to the end: DuckDB refuses other work on a connection with an unfinished result.
    ((count,),) = connection.execute(f"SELECT count(*) FROM {quoted(plan.name)}").fetchall()  # noqa: S608
    return int(count)


def check_index_requests(plan: TablePlan, requests: Sequence[ProjectionIndex]) -> None:
    """Raise InvalidInputError for a request without columns, or with one that the table will not have."""
    for request in requests:
        missing = [name for name in request.columns if name not in plan.columns]
        if missing or not request.columns:
            named = repr(missing[0]) if missing else "no column"
            raise InvalidInputError(
                f"an index of table {plan.name!r} names {named}; its columns are {', '.join(plan.columns)}"
            )


def serve_indexes(
    connection: duckdb.DuckDBPyConnection, plan: TablePlan, requests: Sequence[ProjectionIndex]
) -> tuple[str, ...]:
    """Serve each request and say how, in the order of the requests.

    Token and time are served by the sort order, through DuckDB's min-max zones: on (token, time) it would scan in
    spite of an ART index, the file would grow 2.7 times, and the build would take up to a minute longer. One other
    column gets an ART index, which answers equality. Several columns that the order does not cover are scanned.
    """
    served = []
    for request in requests:
        wanted = ", ".join(request.columns)
        sorted_by = plan.leading_order[: len(request.columns)]
        if set(request.columns) <= _order_names(plan, sorted_by):
            served.append(f"sort order ({', '.join(plan.leading_order)}) serves ({wanted})")
        elif len(request.columns) == 1:
            name = f"idx_{plan.name}_{request.columns[0]}"
            try:
                connection.execute(
                    f"CREATE INDEX IF NOT EXISTS {quoted(name)} ON {quoted(plan.name)} ({quoted(request.columns[0])})"
                )
            except (duckdb.BinderException, duckdb.NotImplementedException, duckdb.InvalidInputException) as error:
                raise InvalidInputError(
                    f"column {wanted!r} of table {plan.name!r} cannot be indexed: {str(error).splitlines()[0]}"
                ) from error
            served.append(f"ART index {name}")
        else:
            served.append(f"scan: no index over ({wanted}); the rows are sorted by ({', '.join(plan.leading_order)})")
    return tuple(served)


def fingerprint_table(connection: duckdb.DuckDBPyConnection, plan: TablePlan) -> str:
    """Hash of the table's logical content: columns, types and rows in the declared order, in blocks of fixed size.

    Equal for equal content, whatever the number of threads or the layout of the file; read back from DuckDB, so that it
    vouches for what is in the file and not for what should be.
    """
    digest = hashlib.sha256(f"{plan.name}\n".encode())
    relation = connection.sql(f"SELECT * FROM {quoted(plan.name)}")  # noqa: S608
    for block in _blocks(relation.to_arrow_reader(FINGERPRINT_BLOCK_ROWS)):
        digest.update(content_hash(block, inferred_type(plan.name, 1, block)).encode())
    return f"sha256:{digest.hexdigest()}"


class _VerifiedRows:
    """The rows of the plan's artifacts as batches of its schema; keeps the error that ended the stream."""

    def __init__(self, store: ArtifactStore, plan: TablePlan) -> None:
        self._store = store
        self._plan = plan
        self.error: QuantlabError | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        for artifact in self._plan.artifacts:
            try:
                table = read_newest(self._store, artifact)
                difference = schema_difference(self._plan.schema, plain_schema(table.schema))
                if difference:
                    raise SchemaError(
                        f"table {self._plan.name!r}: {artifact.artifact_id} does not have the columns of its type: "
                        f"{difference} (first: the type)"
                    )
            except QuantlabError as error:
                self.error = error
                raise
            yield from table.select(self._plan.schema.names).cast(self._plan.schema).to_batches()


def _order_names(plan: TablePlan, columns: Sequence[str]) -> set[str]:
    """The columns with every name under which they go: the time is both ``ts`` and the source's own column."""
    return {*columns, *([plan.time_column] if TIME in columns and plan.time_column else [])}


def _blocks(reader: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """The rows in tables of `FINGERPRINT_BLOCK_ROWS` rows, the last may be shorter; one empty table without rows."""
    pending = reader.schema.empty_table()
    yielded = False
    for batch in reader:
        pending = pa.concat_tables([pending, pa.Table.from_batches([batch])])
        while pending.num_rows >= FINGERPRINT_BLOCK_ROWS:
            yield pending.slice(0, FINGERPRINT_BLOCK_ROWS)
            pending = pending.slice(FINGERPRINT_BLOCK_ROWS)
            yielded = True
    if pending.num_rows or not yielded:
        yield pending
