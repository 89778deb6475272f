"""What a table must be to be an artifact, and what is refused with which words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column
from quantlab_core.artifacts.table_normal_form import inferred_type, to_normal_form
from quantlab_core.errors import SchemaError

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)

CALLS = ArtifactType(
    name="calls",
    version=1,
    doc="Two columns order the rows, a third completes the unique key.",
    schema=pa.schema(
        [
            column("ts", UTC_TIMESTAMP, "time"),
            column("id", pa.int32(), "number"),
            column("caller", pa.string(), "name", nullable=True),
        ]
    ),
    sort_key=("ts", "caller"),
    unique_key=("ts", "id"),
    key_parts=("day",),
    asset="calls",
    attributes={"unit": "unit of the prices"},
)


def calls(rows: list[tuple[Any, ...]], **types: pa.DataType) -> pa.Table:
    fields = {"ts": UTC_TIMESTAMP, "id": pa.int32(), "caller": pa.string()} | types
    columns = list(zip(*rows, strict=True)) if rows else [[], [], []]
    arrays = [pa.array(values, type=type_) for values, type_ in zip(columns, fields.values(), strict=True)]
    return pa.table(arrays, names=list(fields)).replace_schema_metadata({"unit": "usd", "pandas": "{}"})


def test_the_normal_form_has_the_types_schema_and_only_its_attributes() -> None:
    shuffled = calls([(NOON, 1, "a")]).select(["caller", "id", "ts"])
    normal = to_normal_form(shuffled, CALLS)
    assert normal.schema.equals(CALLS.schema)
    assert normal.schema.metadata == {b"unit": b"usd"}
    assert normal.schema.field("ts").metadata == {b"description": b"time"}


def test_rows_are_sorted_nulls_last_and_ties_follow_the_unique_key() -> None:
    normal = to_normal_form(calls([(NOON, 3, None), (NOON, 2, "b"), (NOON, 1, "b"), (NOON, 0, "a")]), CALLS)
    assert normal.column("id").to_pylist() == [0, 1, 2, 3]


def test_an_empty_table_is_a_table() -> None:
    assert to_normal_form(calls([]), CALLS).num_rows == 0


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (calls([(NOON, 1, "a")]).drop_columns(["id"]), "missing: id"),
        (calls([(NOON, 1, "a")]).append_column("extra", pa.array([1])), "unknown: extra"),
        (calls([(NOON, 1, "a")]).append_column("id", pa.array([1])), "does not have the type's columns"),
        (calls([(NOON, 2**40, "a")], id=pa.int64()), "does not fit int32"),
        (calls([(NOON, 1.5, "a")], id=pa.float64()), "does not fit int32"),
        (calls([(NOON, "1", "a")], id=pa.string()), "is string and must be int32"),
        (calls([(NOON, 1, 5)], caller=pa.int64()), "is int64 and must be string"),
        (calls([(NOON.replace(tzinfo=None), 1, "a")], ts=pa.timestamp("us")), "without a zone"),
        (calls([(1_000_000_001, 1, "a")], ts=pa.timestamp("ns", tz="UTC")), "does not fit timestamp"),
        (calls([(1, 1, "a")], ts=pa.int64()), "is int64 and must be timestamp"),
        (calls([(None, 1, "a")]), "'ts' has 1 nulls"),
        (calls([(NOON, 1, "a"), (NOON, 1, "b")]), "1 of 2 rows repeat the unique key"),
        (calls([(NOON, 1, "a")]).replace_schema_metadata(None), "attribute 'unit' is missing"),
        (calls([(NOON, 1, "a")]).replace_schema_metadata({"unit": b"\xff"}), "not UTF-8"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_in_one_line(table: pa.Table, words: str) -> None:
    with pytest.raises(SchemaError, match=r"^calls/v1: ") as refusal:
        to_normal_form(table, CALLS)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_whole_numbers_may_come_in_a_wider_type() -> None:
    table = calls([(NOON, 7.0, "a")], id=pa.float64())
    assert to_normal_form(table, CALLS).column("id").to_pylist() == [7]


def test_an_unregistered_type_takes_its_schema_from_the_table_and_keeps_the_row_order() -> None:
    table = pa.table({"b": pa.array([3, 1]), "a": pa.array(["x", "y"]).dictionary_encode(), "n": pa.nulls(2)})
    spec = inferred_type("outside", 1, table)
    assert spec.schema == pa.schema([("b", pa.int64()), ("a", pa.string()), ("n", pa.string())])
    assert to_normal_form(table, spec).column("b").to_pylist() == [3, 1]


def test_a_type_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(SchemaError, match="cannot be stored"):
        inferred_type("outside", 1, pa.table({"s": pa.array([{"a": 1}])}))
    with pytest.raises(SchemaError, match="occurs twice"):
        inferred_type("outside", 1, pa.table([pa.array([1]), pa.array([1])], names=["a", "a"]))


def test_text_that_is_no_utf8_is_refused() -> None:
    broken = pa.array([b"caf\xe9"], pa.binary()).view(pa.string())
    with pytest.raises(SchemaError, match=r"column 'x' is no sound string: .*UTF8"):
        to_normal_form(pa.table({"x": broken}), inferred_type("outside", 1, pa.table({"x": broken})))


def test_rows_without_a_column_are_refused() -> None:
    with pytest.raises(SchemaError, match="3 rows without a column cannot be stored"):
        inferred_type("outside", 1, pa.table({"x": [1, 2, 3]}).select([]))
