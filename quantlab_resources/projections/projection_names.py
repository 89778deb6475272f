"""Which names a projection and its tables may have. Names come from callers and become file names and SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quantlab_core.errors import InvalidInputError, SchemaError

MAX_PROJECTION_ID_LENGTH = 220
"""Leaves room for ``exp-`` before the longest experiment id and for the endings of temporary names (255 bytes)."""

_PROJECTION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]*")
_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def check_projection_id(projection_id: str) -> None:
    """Raise InvalidInputError unless ``projection_id`` can be a file name that stays in its folder."""
    if _PROJECTION_ID.fullmatch(projection_id) is None or len(projection_id) > MAX_PROJECTION_ID_LENGTH:
        raise InvalidInputError(
            f"{projection_id[:60]!r} cannot be a projection id: use letters, digits and . _ : + - (not first), "
            f"at most {MAX_PROJECTION_ID_LENGTH} characters"
        )


def check_table_names(names: Iterable[str]) -> None:
    """Raise InvalidInputError for a table name outside the grammar, or two that differ in case only."""
    seen: dict[str, str] = {}
    for name in names:
        if _TABLE_NAME.fullmatch(name) is None:
            raise InvalidInputError(
                f"{name[:60]!r} cannot be a table name: use letters, digits and _ (at most 63 characters)"
            )
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise InvalidInputError(
                f"tables {other!r} and {name!r} differ in case only, which DuckDB does not tell apart"
            )


def check_column_names(table: str, names: Iterable[str], *, reserved: Iterable[str] = ()) -> None:
    """Raise SchemaError for column names that DuckDB cannot hold or tell apart, or that the table has of its own."""
    own = {name.lower() for name in reserved}
    seen: dict[str, str] = {}
    for name in names:
        if not name or "\0" in name:
            raise SchemaError(f"table {table!r}: {name!r} cannot be a column of a DuckDB table")
        if name.lower() in own:
            raise SchemaError(f"table {table!r}: {name!r} is taken by a column that every table of a projection has")
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise SchemaError(
                f"table {table!r}: DuckDB cannot tell the columns {other!r} and {name!r} apart (case only)"
            )


def quoted(identifier: str) -> str:
    """``identifier`` as an SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'
