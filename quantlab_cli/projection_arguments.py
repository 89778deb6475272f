"""What ``quantlab projections`` is told: tables, indexes, sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from quantlab_core.projections.projection_builder import ProjectionIndex

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_tables(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``NAME=ID,ID`` as a table's name and its ids."""
    tables = []
    for value in values:
        name, equals, ids = value.partition("=")
        found = tuple(part.strip() for part in ids.split(",") if part.strip())
        if not equals or not name.strip() or not found:
            raise click.BadParameter(f"{value!r} is not of the form NAME=ID or NAME=ID,ID")
        tables.append((name.strip(), found))
    return tuple(tables)


def parse_indexes(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[ProjectionIndex, ...]:
    """``TABLE:COLUMN,COLUMN`` as index requests."""
    from quantlab_core.projections.projection_builder import ProjectionIndex

    indexes = []
    for value in values:
        table, colon, columns = value.partition(":")
        found = tuple(part.strip() for part in columns.split(",") if part.strip())
        if not colon or not table.strip() or not found:
            raise click.BadParameter(f"{value!r} is not of the form TABLE:COLUMN or TABLE:COLUMN,COLUMN")
        indexes.append(ProjectionIndex(table.strip(), found))
    return tuple(indexes)


def parse_size(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """A size such as ``5GB``, ``500MiB`` or ``1000000`` in bytes; ``GB`` is 10**9, ``GiB`` 2**30."""
    if value is None:
        return None
    found = _SIZE.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is not a size such as 5GB, 500MiB or 1000000")
    number, unit, is_binary = found.groups()
    return int(float(number) * (1024 if is_binary else 1000) ** _POWERS[unit.lower()])
