"""A yes of `has_bits_of` must mean the same content hash; a no may be wrong, and costs only time."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.equal_bits import has_bits_of
from quantlab_core.artifacts.table_normal_form import to_normal_form

SPEC = ArtifactType(
    name="measured",
    version=1,
    doc="Numbers with a name.",
    schema=pa.schema([pa.field("price", pa.float64()), pa.field("name", pa.string())]),
    sort_key=(),
    unique_key=(),
    key_parts=(),
    asset="",
    attributes={"unit": "unit of the price"},
)


def measured(prices: list[float | None], *, unit: str = "usd") -> pa.Table:
    names = [None if price is None else f"{price:.1f}" for price in prices]
    schema = SPEC.schema.with_metadata({"unit": unit})
    return to_normal_form(pa.table([pa.array(prices, pa.float64()), pa.array(names, pa.string())], schema=schema), SPEC)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(measured([1.0, -0.0]), id="a negative zero"),
        pytest.param(measured([1.0, None]), id="a null"),
        pytest.param(measured([1.0, float("nan")]), id="not a number"),
        pytest.param(measured([1.0]), id="a row less"),
        pytest.param(measured([0.0, 1.0]), id="another order"),
        pytest.param(measured([1.0, 0.0], unit="sol"), id="another attribute"),
        pytest.param(measured([1.0, 0.0]).rename_columns(["cost", "name"]), id="another name"),
        pytest.param(measured([1.0, 0.0]).select(["price"]), id="a column less"),
    ],
)
def test_any_difference_that_the_hash_would_see_is_seen(other: pa.Table) -> None:
    assert not has_bits_of(other, measured([1.0, 0.0]), SPEC.attributes)


@given(
    st.lists(st.none() | st.floats(allow_nan=True, width=64), max_size=6),
    st.lists(st.none() | st.floats(allow_nan=True, width=64), max_size=6),
    st.integers(0, 6),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_a_yes_means_equal_content_however_it_is_cut_into_chunks(
    one: list[float | None], other: list[float | None], cut: int
) -> None:
    table = measured(one)
    in_two = pa.concat_tables([table.slice(0, cut), table.slice(cut)])

    assert has_bits_of(in_two, table, SPEC.attributes)
    if has_bits_of(measured(other), table, SPEC.attributes):
        assert content_hash(measured(other), SPEC) == content_hash(table, SPEC)
