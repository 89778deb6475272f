"""Where two tables of one artifact type differ: rows by key, values by column, numbers by their relative difference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.artifact_type import ArtifactType

MOST_ROWS = 20
"""So many differing rows are told in full; all are counted."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One row that differs. ``one`` and ``other`` hold the differing values by column; None: the row is not there."""

    key: Row
    one: Row | None
    other: Row | None


@dataclass(frozen=True, slots=True)
class TableDifference:
    """How two tables differ, in rows; ``rows`` are the first of them by key.

    A row that is in both counts as changed when a float differs by more than the tolerance, relative to the larger of
    the two magnitudes, or anything else differs at all. ``largest`` is the largest relative difference of floats, of
    rows within the tolerance too (infinite between a number and none).
    """

    n_only_one: int
    n_only_other: int
    n_changed: int
    largest: float
    rows: tuple[RowDifference, ...]

    @property
    def n_rows(self) -> int:
        """Rows that differ."""
        return self.n_only_one + self.n_only_other + self.n_changed


def table_difference(
    one: pa.Table, other: pa.Table, spec: ArtifactType, *, tolerance: float, most_rows: int = MOST_ROWS
) -> TableDifference:
    """Compare two tables in the schema of ``spec``, rows by its unique key; their order does not matter."""
    keys = [_keys(table, spec.unique_key) for table in (one, other)]
    row_of_other = {key: row for row, key in enumerate(keys[1])}
    pairs = [(row, row_of_other[key]) for row, key in enumerate(keys[0]) if key in row_of_other]
    rows = [np.array(found, dtype=np.int64) for found in zip(*pairs, strict=True)] or [np.empty(0, np.int64)] * 2
    unequal, largest = _unequal_values(one.take(rows[0]), other.take(rows[1]), spec, tolerance)
    is_changed = np.any(list(unequal.values()), axis=0) if unequal else np.zeros(len(pairs), dtype=np.bool_)
    differing: dict[tuple[Any, ...], tuple[int | None, int | None, tuple[str, ...]]] = {}
    for place in np.flatnonzero(is_changed).tolist():
        names = tuple(name for name, flags in unequal.items() if flags[place])
        differing[keys[0][pairs[place][0]]] = (*pairs[place], names)
    in_one, every = set(keys[0]), tuple(name for name in spec.schema.names if name not in spec.unique_key)
    differing |= {key: (row, None, every) for row, key in enumerate(keys[0]) if key not in row_of_other}
    differing |= {key: (None, row, every) for row, key in enumerate(keys[1]) if key not in in_one}
    told = sorted(differing.items(), key=lambda item: tuple(map(_sortable, item[0])))[:most_rows]
    return TableDifference(
        n_only_one=len(keys[0]) - len(pairs),
        n_only_other=len(keys[1]) - len(pairs),
        n_changed=int(is_changed.sum()),
        largest=largest,
        rows=tuple(
            RowDifference(
                dict(zip(spec.unique_key, key, strict=True)),
                _values(one, row_one, names),
                _values(other, row_other, names),
            )
            for key, (row_one, row_other, names) in told
        ),
    )


def _keys(table: pa.Table, names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def _values(table: pa.Table, row: int | None, names: Sequence[str]) -> Row | None:
    return None if row is None else {name: table.column(name)[row].as_py() for name in names}


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is None, "" if value is None else value)


def _unequal_values(
    one: pa.Table, other: pa.Table, spec: ArtifactType, tolerance: float
) -> tuple[dict[str, npt.NDArray[np.bool_]], float]:
    """Per column which rows differ, and the largest relative difference of all floats."""
    unequal, largest = {}, 0.0
    for field in spec.schema:
        if field.name in spec.unique_key:
            continue
        columns = one.column(field.name), other.column(field.name)
        if pa.types.is_floating(field.type):
            differences = relative_differences(*(_floats(column) for column in columns))
            largest = max(largest, float(differences.max(initial=0.0)))
            unequal[field.name] = differences > tolerance
        else:
            nulls = [_flags(column.is_null(), null=True) for column in columns]
            is_equal = _flags(pc.equal(*columns), null=True)
            unequal[field.name] = (nulls[0] != nulls[1]) | ~is_equal
    return unequal, largest


def relative_differences(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """|one - other| over the larger magnitude; 0 for equal values and two NaN, infinite where that is no number."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        differences = np.abs(one - other) / np.maximum(np.abs(one), np.abs(other))
    is_same = (one == other) | (np.isnan(one) & np.isnan(other))
    return np.where(is_same, 0.0, np.where(np.isfinite(differences), differences, math.inf))


def _floats(column: pa.ChunkedArray[Any]) -> npt.NDArray[np.float64]:
    """The values with NaN for null: a result that is not there is one that is none."""
    return np.array([math.nan if value is None else value for value in column.to_pylist()], dtype=np.float64)


def _flags(flags: Any, *, null: bool) -> npt.NDArray[np.bool_]:
    return np.array([null if flag is None else flag for flag in flags.to_pylist()], dtype=np.bool_)
