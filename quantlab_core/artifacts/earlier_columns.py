"""Columns of the earlier store's tables, read tolerantly: whatever type they have, and null where they are absent."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


def texts(table: pa.Table, name: str) -> list[str | None]:
    """The column as text without outer white space; None for null, empty text and an absent column."""
    return [None if value is None else str(value).strip() or None for value in values(table, name)]


def integers(table: pa.Table, name: str) -> list[int | None]:
    """The column as whole numbers; None for null, for what is none and for an absent column."""
    return [_integer(value) for value in values(table, name)]


def values(table: pa.Table, name: str) -> list[Any]:
    """The column's values as Python values; all None where it is absent."""
    return table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**63 else None
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    text = str(value).strip()
    return int(text) if _WHOLE_NUMBER.fullmatch(text) else None
