from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.errors import SchemaError
from quantlab_core.projections.row_fingerprint import RowsHash, hash_of_rows

SCHEMA = pa.schema(
    [
        pa.field("number", pa.int32()),
        pa.field("price", pa.float64()),
        pa.field("token", pa.string()),
        pa.field("flag", pa.bool_()),
        pa.field("at", pa.timestamp("us", tz="UTC")),
        pa.field("day", pa.date32()),
        pa.field("data", pa.binary()),
        pa.field("names", pa.list_(pa.string())),
    ]
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "number": st.none() | st.integers(-(2**31), 2**31 - 1),
            "price": st.none() | st.floats(width=64),
            "token": st.none() | st.text(max_size=5),
            "flag": st.none() | st.booleans(),
            "at": st.none() | st.datetimes(timezones=st.just(UTC)),
            "day": st.none() | st.dates(),
            "data": st.none() | st.binary(max_size=3),
            "names": st.none() | st.lists(st.none() | st.text(max_size=2), max_size=3),
        }
    ),
    max_size=8,
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(rows=ROWS, chance=st.randoms(use_true_random=False), cut=st.integers(0, 8))
def test_the_hash_depends_neither_on_order_nor_on_how_rows_are_cut(rows: list[Any], chance: Any, cut: int) -> None:
    whole = hash_of_rows(table(rows))
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert hash_of_rows(table(shuffled)) == whole
    assert hash_of_rows(table(rows).slice(0, cut)) + hash_of_rows(table(rows).slice(cut)) == whole
    assert whole - hash_of_rows(table(rows).slice(cut)) == hash_of_rows(table(rows).slice(0, cut))


ROW = {
    "number": 1,
    "price": 0.0,
    "token": "a",
    "flag": False,
    "at": datetime(2025, 5, 1, tzinfo=UTC),
    "day": date(2025, 5, 1),
    "data": b"",
    "names": ["a", "b"],
}
CHANGES: list[dict[str, Any]] = [
    {"number": 2}, {"number": None}, {"number": 0}, {"price": -0.0}, {"price": None}, {"price": float("nan")},
    {"token": "b"}, {"token": ""}, {"token": None}, {"flag": True}, {"flag": None}, {"data": None}, {"data": b"\0"},
    {"at": datetime(2025, 5, 1, 0, 0, 0, 1, tzinfo=UTC)}, {"day": date(2025, 5, 2)}, {"names": ["b", "a"]},
    {"names": ["a"]}, {"names": []}, {"names": None}, {"names": ["a", "b", None]}, {"names": ["ab"]},
]  # fmt: skip


def test_every_changed_value_changes_the_hash() -> None:
    hashes = {str(hash_of_rows(table([ROW | change]))) for change in [{}, *CHANGES]}
    assert len(hashes) == 1 + len(CHANGES)


def test_values_that_change_places_between_rows_or_columns_change_the_hash() -> None:
    one = pa.table({"a": [1, 2], "b": [3, 4]})
    other_pairing = pa.table({"a": [1, 2], "b": [4, 3]})
    other_columns = pa.table({"a": [3, 4], "b": [1, 2]})
    other_names = pa.table({"c": [1, 2], "b": [3, 4]})
    other_type = pa.table({"a": pa.array([1, 2], pa.int32()), "b": [3, 4]})
    assert len({hash_of_rows(t) for t in (one, other_pairing, other_columns, other_names, other_type)}) == 5


def test_equal_rows_count_as_often_as_they_occur() -> None:
    once, twice = table([ROW]), table([ROW, ROW])
    assert hash_of_rows(twice) == hash_of_rows(once) + hash_of_rows(once)
    assert hash_of_rows(twice) != hash_of_rows(once)


def test_encodings_do_not_count() -> None:
    plain = pa.table({"token": ["a", "b", "a", None]})
    encoded = plain.set_column(0, "token", plain.column("token").dictionary_encode())
    large = plain.cast(pa.schema([pa.field("token", pa.large_string())]))
    assert hash_of_rows(plain) == hash_of_rows(encoded) == hash_of_rows(large)


def test_the_hash_of_a_known_table_stays_what_it_is() -> None:
    assert str(hash_of_rows(table([ROW, dict.fromkeys(ROW)]))) == "09735bac8ad7fadbceb4ae585200ec40"


def test_the_hash_of_one_number_follows_from_its_definition() -> None:
    """The steps of the module's description, worked with Python's integers."""
    import hashlib

    modulus, golden = 2**64, 0x9E3779B97F4A7C15

    def mix(word: int) -> int:
        word = (word + golden) % modulus
        word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % modulus
        word = (word ^ (word >> 27)) * 0x94D049BB133111EB % modulus
        return word ^ (word >> 31)

    digest = hashlib.blake2b(b"n\0int64", digest_size=16).digest()
    seed, factor = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little") | 1
    m = mix((-7 % modulus) ^ seed)
    assert hash_of_rows(pa.table({"n": [-7]})) == RowsHash(mix(m), mix(m * factor % modulus))


def test_a_hash_is_read_back_from_its_text() -> None:
    found = hash_of_rows(table([ROW]))
    assert RowsHash.parse(str(found)) == found
    with pytest.raises(ValueError, match="no hash of rows"):
        RowsHash.parse("12")


def test_no_rows_have_the_empty_hash() -> None:
    assert hash_of_rows(table([])) == RowsHash()


def test_a_type_that_no_artifact_has_is_refused() -> None:
    with pytest.raises(SchemaError, match="cannot be stored"):
        hash_of_rows(pa.table({"d": pa.array([None], pa.decimal128(10, 2))}))
