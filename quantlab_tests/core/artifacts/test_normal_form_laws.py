"""Laws of the normal form: its shortcuts for sorted, unique and NaN-free columns find what the definitions say."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.errors import SchemaError

EPOCH = datetime(2025, 5, 1, tzinfo=UTC)
CANONICAL_NAN = 0x7FF8000000000000
KEYS: dict[str, pa.DataType] = {
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "time": UTC_TIMESTAMP,
    "text": pa.string(),
    "float": pa.float64(),
}


def keyed_by(type_: pa.DataType) -> ArtifactType:
    """A type whose rows are ordered and identified by one column that may be null."""
    return ArtifactType(
        name="keyed",
        version=1,
        doc="One key and the place that the row had.",
        schema=pa.schema([column("key", type_, "key", nullable=True), column("place", pa.int64(), "place")]),
        sort_key=("key",),
        unique_key=("key",),
        key_parts=("day",),
        asset="keyed",
    )


def as_key(number: int | None, type_: pa.DataType) -> Any:
    if number is None or pa.types.is_integer(type_):
        return number
    if pa.types.is_timestamp(type_):
        return EPOCH + timedelta(microseconds=number)
    return float(number) if pa.types.is_floating(type_) else f"{number:03d}"


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    kind=st.sampled_from(sorted(KEYS)),
    numbers=st.one_of(
        st.lists(st.integers(0, 255) | st.none(), max_size=12),
        st.sets(st.integers(0, 255), max_size=12).map(sorted),
        st.lists(st.integers(0, 255), max_size=12).map(sorted),
    ),
    cut=st.integers(0, 12),
)
def test_rows_come_in_the_order_of_their_key_and_a_key_that_occurs_twice_is_refused(
    kind: str, numbers: list[int | None], cut: int
) -> None:
    type_ = KEYS[kind]
    keys = pa.array([as_key(number, type_) for number in numbers], type=type_)
    table = pa.table({"key": pa.chunked_array([keys[:cut], keys[cut:]], type=type_), "place": range(len(keys))})
    for given_table in (table, table.combine_chunks()):
        if len(set(numbers)) < len(numbers):
            with pytest.raises(SchemaError, match="repeat the unique key"):
                to_normal_form(given_table, keyed_by(type_))
        else:
            in_order = sorted(range(len(numbers)), key=lambda place: (numbers[place] is None, numbers[place] or 0))
            assert to_normal_form(given_table, keyed_by(type_)).column("place").to_pylist() == in_order


MEASURED = ArtifactType(
    name="measured",
    version=1,
    doc="Two numbers, one of which takes NaN as missing.",
    schema=pa.schema(
        [
            column("kept", pa.float64(), "number", nullable=True),
            column("missing", pa.float64(), "number", nullable=True),
        ]
    ),
    sort_key=(),
    unique_key=(),
    key_parts=("day",),
    asset="measured",
    nan_is_null=frozenset({"missing"}),
)


def bits_of(values: pa.ChunkedArray[Any]) -> list[int | None]:
    return [None if value is None else struct.unpack("<Q", struct.pack("<d", value))[0] for value in values.to_pylist()]


def is_nan(bits: int | None) -> bool:
    return bits is not None and (bits & 0x7FFFFFFFFFFFFFFF) > 0x7FF0000000000000


@settings(deadline=None, derandomize=True, max_examples=150)
@given(
    st.lists(
        st.none()
        | st.integers(0, 2**64 - 1)
        | st.integers(0x7FF0000000000000, 0x7FFFFFFFFFFFFFFF)
        | st.sampled_from([0, 1 << 63, 0x7FF0000000000000, 0x7FF0000000000001, 0xFFF8000000000000]),
        max_size=12,
    ),
    st.integers(0, 12),
)
def test_every_nan_becomes_the_one_nan_or_null_and_every_other_number_keeps_its_bits(
    bits: list[int | None], cut: int
) -> None:
    numbers = np.array([0 if one is None else one for one in bits], dtype=np.uint64).view(np.float64)
    array = pa.array(numbers, mask=np.array([one is None for one in bits], dtype=bool))
    values = pa.chunked_array([array[:cut], array[cut:]], type=pa.float64())
    normal = to_normal_form(pa.table({"kept": values, "missing": values}), MEASURED)
    assert bits_of(normal.column("kept")) == [CANONICAL_NAN if is_nan(one) else one for one in bits]
    assert bits_of(normal.column("missing")) == [None if is_nan(one) else one for one in bits]
