"""Rows that come one by one make the table that sorting all of them would make."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.alerts import table_rows
from quantlab_core.alerts.artifact_types import MESSAGE_DISPOSITIONS
from quantlab_core.alerts.table_rows import TableRows


def row(ordinal: int, kind: str = "call") -> tuple[object, ...]:
    return (ordinal, 5, ordinal * 2, None, "event", kind, None, 1)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(st.integers(0, 99), unique=True, max_size=20),
    st.just(set()) | st.sets(st.integers(0, 19)),
    st.integers(1, 7),
)
def test_a_table_has_its_rows_in_the_order_of_the_sort_key(ordinals: list[int], gone: set[int], batch: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_rows, "BATCH_ROWS", batch)
        rows = TableRows(MESSAGE_DISPOSITIONS)
        for ordinal in ordinals:
            rows.append(row(ordinal))
        assert rows.column("ordinal").to_pylist() == ordinals
        without = np.array(sorted(place for place in gone if place < len(ordinals)), dtype=np.int64)
        table = rows.table(without if len(without) else None)
    kept = sorted(ordinal for place, ordinal in enumerate(ordinals) if place not in gone)
    assert table.schema.equals(MESSAGE_DISPOSITIONS.schema, check_metadata=True)
    assert table.to_pylist() == [dict(zip(table.schema.names, row(ordinal), strict=True)) for ordinal in kept]


def test_a_column_can_be_replaced_as_a_whole() -> None:
    rows = TableRows(MESSAGE_DISPOSITIONS)
    for ordinal in (2, 1):
        rows.append(row(ordinal))
    rows.give("kind", pa.chunked_array([["second", "first"]]))
    assert rows.table()["kind"].to_pylist() == ["first", "second"]


def test_given_columns_stand_beside_those_that_come_by_row_and_are_held_once() -> None:
    rows, other = TableRows(MESSAGE_DISPOSITIONS, given=["ordinal", "tokens"]), TableRows(MESSAGE_DISPOSITIONS)
    for ordinal in (2, 1):
        rows.append(row(ordinal, "another")[1:-1])
        other.append(row(ordinal))
    for name in ("tokens", "ordinal"):
        rows.give(name, other.column(name))
    assert rows.column("ordinal").chunk(0).buffers()[1].address == other.column("ordinal").chunk(0).buffers()[1].address
    assert rows.table().to_pylist() == [
        dict(zip(MESSAGE_DISPOSITIONS.schema.names, row(ordinal, "another"), strict=True)) for ordinal in (1, 2)
    ]


_PEAK = """
import pyarrow as pa
from quantlab_core.alerts.artifact_types import MESSAGE_DISPOSITIONS
from quantlab_core.alerts.table_rows import TableRows

rows = TableRows(MESSAGE_DISPOSITIONS)
for ordinal in range(60_000, 0, -1):
    rows.append((ordinal, 5, ordinal, None, "event", "a kind with a long name", None, 1))
table = rows.table()
assert table["ordinal"][0].as_py() == 1
print(pa.default_memory_pool().max_memory() / table.nbytes)
"""


def test_sorting_holds_one_column_twice_and_not_the_table() -> None:
    answer = subprocess.run([sys.executable, "-c", _PEAK], capture_output=True, text=True, check=True)
    assert float(answer.stdout) < 1.9
