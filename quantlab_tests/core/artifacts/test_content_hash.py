"""qlh1 depends on the content of a table and on nothing else."""

from __future__ import annotations

import io
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.artifact_identity import ARTIFACT_NAMESPACE, artifact_id
from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column
from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.logical_type import logical_type_name
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_tests.core.artifacts.qlh1_by_hand import qlh1

VECTORS = json.loads(Path(__file__).with_name("qlh1_vectors.json").read_text())

SPEC = ArtifactType(
    name="measurement",
    version=1,
    doc="Every kind of column that quantlab's own types use.",
    schema=pa.schema(
        [
            column("ts", UTC_TIMESTAMP, "time"),
            column("name", pa.string(), "text", nullable=True),
            column("count", pa.int64(), "number", nullable=True),
            column("small", pa.int32(), "number", nullable=True),
            column("price", pa.float64(), "price; NaN is a value", nullable=True),
            column("volume", pa.float64(), "volume; NaN is null", nullable=True),
            column("flag", pa.bool_(), "flag", nullable=True),
            column("links", pa.list_(pa.string()), "texts", nullable=True),
        ]
    ),
    sort_key=("ts",),
    unique_key=("ts",),
    key_parts=("of",),
    asset="measurements",
    time_column="ts",
    attributes={"unit": "unit of the prices", "source": "where they came from"},
    nan_is_null=frozenset({"volume"}),
)
ATTRIBUTES = {"source": "clock ✓", "unit": "usd"}
LAWS = settings(deadline=None, max_examples=40, derandomize=True)
DUCKDB = duckdb.connect()

int64s = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
rows_of_values = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | texts,
            "count": st.none() | int64s,
            "small": st.none() | st.integers(-(2**31), 2**31 - 1),
            "price": st.none() | st.floats(width=64),
            "volume": st.none() | st.floats(allow_nan=False, width=64),
            "flag": st.none() | st.booleans(),
            "links": st.none() | st.lists(st.none() | texts, max_size=3),
        }
    ),
    max_size=20,
)


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    timed = [{"ts": datetime.fromtimestamp(1_700_000_000 + 60 * i, UTC), **row} for i, row in enumerate(rows)]
    return pa.Table.from_pylist(timed, schema=SPEC.schema.with_metadata(ATTRIBUTES))


def by_hand(table: pa.Table, spec: ArtifactType) -> str:
    columns = [(f.name, logical_type_name(f.type), table.column(f.name).to_pylist()) for f in table.schema]
    metadata = table.schema.metadata or {}
    return qlh1(columns, {name: metadata[name.encode()].decode() for name in spec.attributes})


@LAWS
@given(rows_of_values)
def test_both_implementations_agree(rows: list[dict[str, Any]]) -> None:
    table = table_of(rows)
    assert content_hash(table, SPEC) == by_hand(to_normal_form(table, SPEC), SPEC)


@LAWS
@given(rows_of_values, st.integers(1, 5), st.randoms(use_true_random=False))
def test_chunks_slices_and_row_order_leave_no_trace(
    rows: list[dict[str, Any]], chunk: int, order: random.Random
) -> None:
    table = table_of(rows)
    expected = content_hash(table, SPEC)
    pieces = [table.slice(start, chunk) for start in range(0, table.num_rows, chunk)]
    padded = pa.concat_tables([table_of([{}]), table]).slice(1)
    order.shuffle(pieces)
    assert content_hash(padded, SPEC) == expected
    assert content_hash(pa.concat_tables(pieces) if pieces else table, SPEC) == expected


@LAWS
@given(rows_of_values)
def test_encodings_leave_no_trace(rows: list[dict[str, Any]]) -> None:
    table = table_of(rows)
    expected = content_hash(table, SPEC)
    for type_ in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        name = table.column("name")
        encoded = name.dictionary_encode() if pa.types.is_dictionary(type_) else name.cast(type_)
        assert content_hash(table.set_column(1, "name", encoded), SPEC) == expected
    links = table.column("links").cast(pa.large_list(pa.large_string()))
    assert content_hash(table.set_column(7, "links", links), SPEC) == expected
    elsewhere = table.column("ts").cast(pa.timestamp("ns", tz="Asia/Tokyo"))
    assert content_hash(table.set_column(0, "ts", elsewhere), SPEC) == expected


@LAWS
@given(rows_of_values)
def test_a_trip_through_parquet_polars_and_duckdb_leaves_no_trace(rows: list[dict[str, Any]]) -> None:
    table = table_of(rows)
    expected = content_hash(table, SPEC)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    buffer.seek(0)
    assert content_hash(pq.read_table(buffer), SPEC) == expected
    through_polars = pl.from_arrow(table).to_arrow().replace_schema_metadata(ATTRIBUTES)  # type: ignore[union-attr]
    assert content_hash(through_polars, SPEC) == expected
    DUCKDB.register("measured", table)
    through_duckdb = DUCKDB.sql("SELECT * FROM measured").to_arrow_table()
    assert content_hash(through_duckdb.replace_schema_metadata(ATTRIBUTES), SPEC) == expected


def test_a_trip_through_pandas_leaves_no_trace() -> None:
    table = table_of([{"name": "a", "price": 1.5, "volume": None}, {"name": None, "price": 2.5, "volume": 3.0}])
    frame = table.to_pandas(types_mapper=pd.ArrowDtype)
    back = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(ATTRIBUTES)
    assert content_hash(back, SPEC) == content_hash(table, SPEC)


def test_nan_has_one_form_and_counts_as_null_only_where_the_type_says_so() -> None:
    signalling = float(np.frombuffer(bytes.fromhex("010000000000f4ff"), dtype="<f8")[0])
    plain, odd = table_of([{"price": float("nan")}]), table_of([{"price": signalling}])
    assert content_hash(plain, SPEC) == content_hash(odd, SPEC)
    assert content_hash(plain, SPEC) != content_hash(table_of([{"price": None}]), SPEC)
    assert content_hash(table_of([{"volume": float("nan")}]), SPEC) == content_hash(table_of([{}]), SPEC)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([{"name": "ab"}, {"name": "c"}], [{"name": "a"}, {"name": "bc"}]),
        ([{"name": ""}], [{"name": None}]),
        ([{"count": 0}], [{"count": None}]),
        ([{"count": 1}], [{"small": 1}]),
        ([{"price": 1.0}], [{"volume": 1.0}]),
        ([{"price": 0.0}], [{"price": -0.0}]),
        ([{"flag": False}], [{"flag": None}]),
        ([{"links": []}], [{"links": None}]),
        ([{"links": ["a", "b"]}], [{"links": ["ab"]}]),
        ([{"links": ["a"]}, {"links": []}], [{"links": []}, {"links": ["a"]}]),
        ([{"links": [None]}], [{"links": [""]}]),
        ([], [{}]),
    ],
)
def test_different_content_has_different_hashes(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> None:
    assert content_hash(table_of(one), SPEC) != content_hash(table_of(other), SPEC)


def test_attributes_are_content_and_other_metadata_is_not() -> None:
    table = table_of([{"count": 1}])
    other_unit = table.replace_schema_metadata(ATTRIBUTES | {"unit": "sol"})
    annotated = table.replace_schema_metadata(ATTRIBUTES | {"pandas": "{}"})
    assert content_hash(other_unit, SPEC) != content_hash(table, SPEC)
    assert content_hash(annotated, SPEC) == content_hash(table, SPEC)


def test_values_under_a_null_are_not_content() -> None:
    validity = pa.py_buffer(bytes([0b01]))
    hidden = pa.Array.from_buffers(pa.int64(), 2, [validity, pa.array([7, 99]).buffers()[1]])
    plain = pa.array([7, None], pa.int64())
    table = table_of([{}, {}])
    assert content_hash(table.set_column(2, "count", hidden), SPEC) == content_hash(
        table.set_column(2, "count", plain), SPEC
    )


@pytest.mark.parametrize("vector", VECTORS["content"], ids=lambda vector: vector["name"])
def test_frozen_vectors_hold(vector: dict[str, Any]) -> None:
    columns = [(c["name"], c["type"], [from_json(c["type"], v) for v in c["values"]]) for c in vector["columns"]]
    assert qlh1(columns, vector["attributes"]) == vector["hash"]
    names = {logical_type_name(type_): type_ for type_ in ALL_TYPES}
    schema = pa.schema([pa.field(name, names[type_]) for name, type_, _ in columns])
    spec = ArtifactType("v", 1, "", schema, (), (), (), "", attributes=vector["attributes"])
    arrays = [pa.array(values, type=names[type_]) for _, type_, values in columns]
    table = pa.table(arrays, schema=schema).replace_schema_metadata(vector["attributes"])
    assert content_hash(table, spec) == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS["artifact_id"], ids=lambda vector: vector["artifact_id"])
def test_frozen_artifact_ids_hold(vector: dict[str, Any]) -> None:
    parts = (vector["artifact_type"], vector["schema_version"], vector["logical_key"], vector["content_hash"])
    assert artifact_id(*parts) == vector["artifact_id"]


ALL_TYPES = [
    *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float32(), pa.float64(), pa.string(), pa.binary(), pa.date32(), pa.timestamp("us"), UTC_TIMESTAMP),
    *(pa.list_(pa.string()), pa.list_(pa.list_(pa.int32()))),
]


def from_json(type_: str, value: Any) -> Any:
    """JSON has no times, bytes or NaN: they are written as text."""
    if value is None:
        return None
    if type_.startswith("timestamp"):
        return datetime.fromisoformat(value)
    if type_ == "date":
        return date.fromisoformat(value)
    if type_ == "binary":
        return bytes.fromhex(value)
    return float(value) if type_.startswith("float") else value


def test_the_written_specification_shows_the_frozen_vectors() -> None:
    page = (Path(__file__).parents[3] / "docs" / "content-identity.md").read_text(encoding="utf-8")
    assert all(vector["hash"] in page for vector in VECTORS["content"][:3])
    assert str(ARTIFACT_NAMESPACE) in page
