"""The earlier store's content hash: recorded vectors, worked lines, and what it must not confirm."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.artifacts.earlier_content_hash import EMPTY, confirming_edition

VECTORS = Path(__file__).parents[4] / "shared" / "cases" / "legacy_content_hash_vectors.json"
ARROW_TYPES: dict[str, Any] = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP": pa.timestamp("us"),
}


def vectors() -> list[Any]:
    if not VECTORS.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="the shared vectors are not here"))]
    loaded = json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]
    return [pytest.param(vector, id=vector["name"]) for vector in loaded if "rows" in vector]


def table_of(vector: dict[str, Any]) -> pa.Table:
    columns = []
    for position, type_ in enumerate(vector["parquet_columns"].values()):
        values = [row[position] for row in vector["rows"]]
        if type_ == "TIMESTAMP":
            values = [datetime.fromisoformat(value) for value in values]
        columns.append(pa.array(values, ARROW_TYPES[type_]))
    return pa.table(columns, names=list(vector["parquet_columns"]))


def expected_edition(vector: dict[str, Any]) -> str:
    formats = [cast for cast in vector["casts"].values() if "strftime" in cast]
    if not formats:
        return "plain"
    return "E2" if "%S" in formats[0] else "E1"


def hash_of(*lines: str) -> str:
    return "sha256:" + hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()


@pytest.mark.parametrize("vector", vectors())
def test_a_recorded_vector_is_confirmed_by_its_edition(vector: dict[str, Any]) -> None:
    found = confirming_edition(
        table_of(vector),
        vector["artifact_type"],
        vector["content_hash"],
        vector["canonical_cols"],
        vector["sort_keys"],
    )
    # A column that no edition casts to other text is confirmed by the first one.
    assert found == (expected_edition(vector) if "ts as BIGINT" not in vector["name"] else "E2")


@pytest.mark.parametrize("vector", vectors())
def test_a_vector_with_one_changed_value_is_not_confirmed(vector: dict[str, Any]) -> None:
    table = table_of(vector)
    name = next(field.name for field in table.schema if field.type in (pa.float64(), pa.int64()))
    changed = pa.array([1 if value is None else value + 1 for value in table[name].to_pylist()], table[name].type)
    other = table.set_column(table.column_names.index(name), name, changed)
    if "ts as BIGINT" in vector["name"]:
        other = table.set_column(1, "open", pa.array([9.0] * table.num_rows))
    given = (vector["artifact_type"], vector["content_hash"], vector["canonical_cols"], vector["sort_keys"])
    assert confirming_edition(other, *given) is None


CALLS = pa.table(
    {
        "alert_ts_utc": pa.array(["2025-05-01T00:05:59Z", "2025-05-01T00:06:01.5Z", None, "no time"]),
        "chain": ["solana"] * 4,
        "n": pa.array([1, None, 3, 4], pa.int64()),
        "sure": [True, False, None, True],
    }
)
COLUMNS = ["alert_ts_utc", "chain", "n", "sure"]
KEYS = ["alert_ts_utc", "n"]


def test_the_second_edition_sorts_by_whole_times_and_writes_nulls_and_booleans_as_python_does() -> None:
    recorded = hash_of(
        "2025-05-01T00:05:59.000000Z|solana|1|True",
        "2025-05-01T00:06:01.500000Z|solana|\\N|False",
        "\\N|solana|3|\\N",
        "\\N|solana|4|True",
    )
    assert confirming_edition(CALLS, "alerts_v1", recorded, COLUMNS, KEYS) == "E2"


def test_the_first_edition_lost_the_seconds() -> None:
    recorded = hash_of(
        "2025-05-01T00:05:000000Z|solana|1|True",
        "2025-05-01T00:06:500000Z|solana|\\N|False",
        "\\N|solana|3|\\N",
        "\\N|solana|4|True",
    )
    assert confirming_edition(CALLS, "alerts_v1", recorded, COLUMNS, KEYS) == "E1"


def test_columns_and_keys_come_from_the_sidecar_or_else_from_the_type() -> None:
    table = pa.table(
        {"equity": [2.0, 1.0], "timestamp": [5, 4], "cumulative_pnl": [0.1, 1e-7], "open_positions": [1, 0]}
    )
    by_type = hash_of("4|1.0|1e-07|0", "5|2.0|0.1|1")
    assert confirming_edition(table, "experiment_curves", by_type) == "plain"
    by_sidecar = hash_of("2.0", "1.0")
    assert confirming_edition(table, "experiment_curves", by_sidecar, ["equity"], ["open_positions"]) is None
    assert confirming_edition(table, "experiment_curves", hash_of("1.0", "2.0"), ["equity"], ["equity"]) == "plain"


@pytest.mark.parametrize("named", [None, 3, [], ["equity", 1], ["equity", "equity"], ["elsewhere"], {"a": 1}])
def test_a_sidecar_that_names_no_columns_is_passed_over(named: object) -> None:
    table = pa.table({"equity": [2.0, 1.0]})
    assert confirming_edition(table, "unknown", hash_of("2.0", "1.0"), named, named) == "plain"


def test_values_of_other_types_are_written_as_python_writes_them() -> None:
    table = pa.table(
        {
            "d": pa.array([datetime(2025, 5, 1, tzinfo=UTC).date()]),
            "b": pa.array([b"x"]),
            "m": pa.array([Decimal("1.50")]),
            "l": pa.array([[1, 2]]),
            "f": pa.array([0.1], pa.float32()),
            "t": pa.array([datetime(2025, 5, 1, 1)]).cast(pa.timestamp("us")),  # noqa: DTZ001 - stored without a zone
            "e": pa.array(["x"]).dictionary_encode(),
            "v": pa.array([float("nan")]),
        }
    )
    line = "2025-05-01|b'x'|1.50|[1, 2]|0.10000000149011612|2025-05-01 01:00:00|x|nan"
    assert confirming_edition(table, "unknown", hash_of(line), None, ["l", "e"]) == "plain"


@pytest.mark.parametrize("text", ["2025-05-01T12:00:00Z", "2025-05-01T10:00:00Z"])
def test_offsets_of_text_may_have_been_heeded_or_passed_over(text: str) -> None:
    table = pa.table({"alert_ts_utc": ["2025-05-01T12:00:00+02:00"]})
    recorded = hash_of(text.replace("00Z", "00.000000Z"))
    assert confirming_edition(table, "alerts_v1", recorded, ["alert_ts_utc"], ["alert_ts_utc"]) == "E2"


def test_an_empty_table_is_confirmed_without_an_edition() -> None:
    empty = CALLS.slice(0, 0)
    assert confirming_edition(empty, "alerts_v1", hash_of(), COLUMNS, KEYS) == EMPTY
    assert confirming_edition(empty, "alerts_v1", hash_of("x"), COLUMNS, KEYS) is None
    assert confirming_edition(CALLS, "alerts_v1", "", COLUMNS, KEYS) is None
