"""One table of a projection in its DuckDB file: filled, changed, indexed where that helps, and fingerprinted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from quantlab_core.errors import InvalidInputError, first_line
from quantlab_core.projections.projection_builder import ProjectionIndex
from quantlab_core.projections.row_fingerprint import RowsHash, hash_of_rows
from quantlab_resources.projections.projection_names import quoted
from quantlab_resources.projections.table_plan import SOURCE_ID, TIME, TOKEN_ID, TableShape
from quantlab_resources.projections.verified_rows import ROW, VerifiedRows, check_row_count

_HASHED_ROWS = 131_072


@dataclass(frozen=True, slots=True)
class SourceRows:
    """How many rows of a table come from one source."""

    source_id: int
    row_count: int


def create_table(connection: duckdb.DuckDBPyConnection, shape: TableShape, rows: VerifiedRows) -> list[SourceRows]:
    """Create the table with these rows by token id, time, source and place in it; what each source gave.

    Raises ArtifactDamagedError for a source that gave other than its recorded rows, and as `verified_rows`.
    """
    _add_tokens(connection, rows.tokens)
    connection.execute(f"CREATE TABLE {quoted(shape.name)} AS {_ordered(shape, rows)}", dict(rows.parameters))
    return _counted(connection, shape, rows)


def insert_rows(connection: duckdb.DuckDBPyConnection, shape: TableShape, rows: VerifiedRows) -> list[SourceRows]:
    """Append these rows in the same order among themselves. Raises as `create_table`."""
    _add_tokens(connection, rows.tokens)
    connection.execute(f"INSERT INTO {quoted(shape.name)} {_ordered(shape, rows)}", dict(rows.parameters))
    return _counted(connection, shape, rows)


def delete_rows(connection: duckdb.DuckDBPyConnection, shape: TableShape, source_ids: Sequence[int]) -> None:
    """Delete the rows of these sources."""
    connection.execute(
        f"DELETE FROM {quoted(shape.name)} WHERE {SOURCE_ID} IN (SELECT unnest($ids::INTEGER[]))",  # noqa: S608
        {"ids": list(source_ids)},
    )


def create_token_table(connection: duckdb.DuckDBPyConnection) -> None:
    """Create ``quantlab.tokens``, which gives every token of the projection a small integer."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS quantlab")
    connection.execute("CREATE TABLE quantlab.tokens (token_id INTEGER, token VARCHAR)")


def check_index_requests(shape: TableShape, requests: Iterable[ProjectionIndex]) -> None:
    """Raise InvalidInputError for a request without columns, or with one that the table will not have."""
    for request in requests:
        missing = [name for name in request.columns if name not in shape.columns]
        if missing or not request.columns:
            named = repr(missing[0]) if missing else "no column"
            raise InvalidInputError(
                f"an index of table {shape.name!r} names {named}; its columns are {', '.join(shape.columns)}"
            )


def serve_indexes(
    connection: duckdb.DuckDBPyConnection, shape: TableShape, requests: Sequence[ProjectionIndex]
) -> tuple[str, ...]:
    """Serve each request and say how, in the order of the requests.

    Token and time are served by the sort order, through DuckDB's min-max zones: on (token, time) it would scan in
    spite of an ART index, the file would grow 2.7 times, and the build would take up to a minute longer. One other
    column gets an ART index, which answers equality. Several columns that the order does not cover are scanned.
    """
    served = []
    for request in requests:
        wanted = ", ".join(request.columns)
        sorted_by = shape.leading_order[: len(request.columns)]
        if set(request.columns) <= _order_names(shape, sorted_by):
            served.append(f"sort order ({', '.join(shape.leading_order)}) serves ({wanted})")
        elif len(request.columns) == 1:
            name = f"idx_{shape.name}_{request.columns[0]}"
            try:
                connection.execute(
                    f"CREATE INDEX IF NOT EXISTS {quoted(name)} ON {quoted(shape.name)} ({quoted(request.columns[0])})"
                )
            except (duckdb.BinderException, duckdb.NotImplementedException, duckdb.InvalidInputException) as error:
                raise InvalidInputError(
                    f"column {wanted!r} of table {shape.name!r} cannot be indexed: {first_line(error)}"
                ) from error
            served.append(f"ART index {name}")
        else:
            served.append(f"scan: no index over ({wanted}); the rows are sorted by ({', '.join(shape.leading_order)})")
    return tuple(served)


def hash_of_table(
    connection: duckdb.DuckDBPyConnection, shape: TableShape, source_ids: Sequence[int] | None = None
) -> RowsHash:
    """The hash of the table's rows, or of those of some sources, over its content columns, read back from DuckDB.

    So it vouches for what is in the file, and not for what should be.
    """
    columns = ", ".join(quoted(name) for name in shape.content_columns)
    query = f"SELECT {columns} FROM {quoted(shape.name)}"  # noqa: S608
    if source_ids is None:
        return hash_of_query(connection, query)
    return hash_of_query(
        connection, f"{query} WHERE {SOURCE_ID} IN (SELECT unnest($ids::INTEGER[]))", {"ids": list(source_ids)}
    )


def hash_of_query(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, list[int]] | None = None
) -> RowsHash:
    """The hash of the rows that a query gives."""
    total = RowsHash()
    for batch in batches_of(connection, query, parameters or {}, _HASHED_ROWS):
        total += hash_of_rows(batch)
    return total


def batches_of(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: Mapping[str, Any], rows: int
) -> pa.RecordBatchReader:
    """What a query gives, as a stream of batches of at most ``rows`` rows."""
    # A relation streams; the result of `execute` would be held as a whole.
    reader: pa.RecordBatchReader = connection.sql(query, params=dict(parameters)).to_arrow_reader(rows)
    return reader


def fingerprint_of_table(shape: TableShape, row_count: int, rows: RowsHash) -> str:
    """The table's fingerprint: its name, the names of its content columns, the number and the hash of its rows."""
    columns = "\t".join(shape.content_columns)
    text = f"{shape.name}\n{columns}\n{row_count}\n{rows}"
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _ordered(shape: TableShape, rows: VerifiedRows) -> str:
    content = ", ".join(f"r.{quoted(name)}" for name in shape.content_columns)
    time = [f"r.{TIME} NULLS LAST"] if shape.has_time else []
    order = ", ".join([*time, f"r.{SOURCE_ID}", f"r.{ROW}"])
    if shape.token_column is None:
        return f"SELECT {content}, r.{SOURCE_ID} FROM ({rows.query}) r ORDER BY {order}"  # noqa: S608
    return (
        f"SELECT {content}, t.token_id AS {TOKEN_ID}, r.{SOURCE_ID} FROM ({rows.query}) r"  # noqa: S608
        f" LEFT JOIN quantlab.tokens t ON t.token = r.{quoted(shape.token_column)}"
        f" ORDER BY t.token_id NULLS LAST, {order}"
    )


def _add_tokens(connection: duckdb.DuckDBPyConnection, tokens: frozenset[str]) -> None:
    """Number the tokens that have no number yet, in their order as text, after those that have one."""
    connection.execute(
        "INSERT INTO quantlab.tokens"
        " SELECT (SELECT count(*) FROM quantlab.tokens) + row_number() OVER (ORDER BY token), token"
        " FROM (SELECT unnest($tokens::VARCHAR[]) AS token) new"
        " WHERE NOT EXISTS (FROM quantlab.tokens known WHERE known.token = new.token)",
        {"tokens": sorted(tokens)},
    )


def _counted(connection: duckdb.DuckDBPyConnection, shape: TableShape, rows: VerifiedRows) -> list[SourceRows]:
    found = connection.execute(
        f"SELECT {SOURCE_ID}, count(*) FROM {quoted(shape.name)} WHERE {SOURCE_ID} >= $first GROUP BY ALL",  # noqa: S608
        {"first": min(rows.sources)},
    ).fetchall()
    counts = {int(source_id): int(count) for source_id, count in found}
    for source_id, entry in rows.sources.items():
        check_row_count(entry, counts.get(source_id, 0), shape.name)
    return [SourceRows(source_id, counts.get(source_id, 0)) for source_id in rows.sources]


def _order_names(shape: TableShape, columns: Sequence[str]) -> set[str]:
    """The columns with every name under which they go: the time is both ``ts`` and the source's own column."""
    names = set(columns)
    if TIME in columns and shape.time_column:
        names.add(shape.time_column)
    if shape.token_column in columns:
        names.add(TOKEN_ID)
    return names
