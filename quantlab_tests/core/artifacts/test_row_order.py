"""Whether rows are in order is known without sorting them, and sorting agrees."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts import row_order
from quantlab_core.artifacts.row_order import rises

NUMBERS = st.integers(-2, 2)
TEXTS = st.sampled_from(["", "a", "aa", "é", "\uffff", "😂"])


@settings(deadline=None, max_examples=300, derandomize=True)
@given(
    st.lists(st.tuples(NUMBERS, TEXTS, NUMBERS), max_size=9),
    st.booleans(),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_rows_rise_where_a_stable_sort_leaves_all_in_place(
    rows: list[tuple[int, str, int]], is_sorted: bool, chunk: int, part: int
) -> None:
    rows = sorted(rows) if is_sorted else rows
    chunks = [rows[start : start + chunk] for start in range(0, len(rows), chunk)]
    kinds = (pa.timestamp("us", "UTC"), pa.string(), pa.int64())
    keys = [
        pa.chunked_array([pa.array([row[place] for row in one], kind) for one in chunks], kind)
        for place, kind in enumerate(kinds)
    ]
    table = pa.table(keys, names=["a", "b", "c"])
    order = pc.sort_indices(table, [(name, "ascending") for name in table.column_names]).to_numpy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_order, "_ROWS_AT_ONCE", part)
        assert rises(keys) == np.array_equal(order, np.arange(len(rows)))


@pytest.mark.parametrize("values", [pa.array([1, None]), pa.array([1.0, 2.0]), pa.array([False, True])])
def test_nulls_and_other_kinds_of_keys_are_left_to_sorting(values: pa.Array) -> None:
    assert not rises([pa.chunked_array([values])])
