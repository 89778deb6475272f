"""Rows of an artifact type that come one by one, kept as Arrow columns, and sorted without holding them twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.row_order import rises

# Rows are turned into Arrow columns in batches of this size; larger ones are not faster and hold more Python objects.
BATCH_ROWS = 4_096
_BATCHES_JOINED = 8


class TableRows:
    """Rows of ``spec``, kept column by column so that millions of Python objects never live at once.

    Columns that are ``given`` come as a whole, by `give`, and the rows come without them.
    """

    def __init__(self, spec: ArtifactType, given: Collection[str] = ()) -> None:
        self._spec = spec
        self._by_row = [index for index, name in enumerate(spec.schema.names) if name not in given]
        self._rows: list[Sequence[object]] = []
        self._loose_batches = 0
        self._columns: list[list[pa.Array[Any]]] = [[] for _ in spec.schema]
        self._types = [field.type for field in spec.schema]

    def append(self, row: Sequence[object]) -> None:
        """Add a row: its values in the order of the schema, without those that are given."""
        self._rows.append(row)
        if len(self._rows) == BATCH_ROWS:
            self._flush()

    def column(self, name: str) -> pa.ChunkedArray[Any]:
        """All values of a column so far, in the order in which they came."""
        self._flush()
        index = self._spec.schema.get_field_index(name)
        return pa.chunked_array(self._columns[index], self._types[index])

    def give(self, name: str, column: pa.ChunkedArray[Any]) -> None:
        """Put these values into a column, one per row, in place of any that it has."""
        self._flush()
        self._columns[self._spec.schema.get_field_index(name)] = column.chunks

    def table(self, without: npt.NDArray[np.int64] | None = None) -> pa.Table:
        """The rows in the order of the sort key, ``without`` those that came at these places. Gives all rows away."""
        self._flush()
        order = self._order(without)
        columns: list[pa.ChunkedArray[Any]] = []
        for index, kind in enumerate(self._types):
            column = pa.chunked_array(self._columns[index], kind)
            self._columns[index] = []
            columns.append(column if order is None else column.take(order))
        return pa.Table.from_arrays(columns, schema=self._spec.schema)

    def _order(self, without: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64] | None:
        """Places of the rows in sorted order; None where they are all there and in order, as exports are."""
        if without is None and rises(self.column(name) for name in self._spec.sort_key):
            return None
        names = self._spec.sort_key
        keys = pa.table([self.column(name) for name in names], names=list(names))
        ascending: list[tuple[str, Literal["ascending"]]] = [(name, "ascending") for name in names]
        order: npt.NDArray[np.int64] = pc.sort_indices(keys, ascending).to_numpy().astype(np.int64)
        return order if without is None else order[~np.isin(order, without)]

    def _flush(self) -> None:
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        for index, values in zip(self._by_row, columns, strict=True):
            self._columns[index].append(pa.array(values, self._types[index]))
        self._rows.clear()
        self._loose_batches += 1
        if self._loose_batches == _BATCHES_JOINED:
            # Columns built value by value keep spare memory, a third of their own; a joined copy has its exact size.
            for kept in (self._columns[index] for index in self._by_row):
                joined = pa.concat_arrays(kept[-_BATCHES_JOINED:])
                del kept[-_BATCHES_JOINED:]
                # Of a column that says one thing throughout, like the chat's name, all parts are one.
                kept.append(kept[-1] if kept and kept[-1].equals(joined) else joined)
            self._loose_batches = 0
