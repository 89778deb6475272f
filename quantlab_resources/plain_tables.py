"""Tables as they are handed out: the columns of a schema, without attributes, descriptions and promises about nulls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import polars as pl


def plain_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of ``schema`` in its order and types."""
    return table.select(schema.names).cast(plain_schema(schema))


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The names and types alone."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def as_polars(table: pa.Table) -> pl.DataFrame:
    """The table as a ``polars.DataFrame``."""
    import polars  # a third of a second, and only frames need it

    return polars.DataFrame(polars.from_arrow(table))
