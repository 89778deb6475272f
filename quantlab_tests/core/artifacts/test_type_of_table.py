"""Which specification a table has: lenient types give way to other columns, ours do not."""

from __future__ import annotations

import pyarrow as pa
import pytest

from quantlab_core.alerts.earlier_types import EARLIER_ALERTS
from quantlab_core.artifacts.registry import ARTIFACT_TYPES, artifact_type
from quantlab_core.artifacts.type_of_table import content_hash_of_table, has_columns_of, type_of_table
from quantlab_core.errors import SchemaError


def curve(timestamp: pa.DataType | None = None) -> pa.Table:
    return pa.table(
        {
            "timestamp": pa.array([2, 1], timestamp or pa.int64()),
            "equity": [1.0, 2.0],
            "cumulative_pnl": [0.0, 0.5],
            "open_positions": pa.array([1, 0], pa.int64()),
        }
    )


def test_a_lenient_type_is_that_of_tables_with_its_columns_in_any_order_and_width() -> None:
    spec = artifact_type("experiment_curves", 1)
    assert type_of_table("experiment_curves", 1, curve()) is spec
    assert type_of_table("experiment_curves", 1, curve().select(sorted(curve().column_names))) is spec
    turned = curve().take([1, 0])
    assert content_hash_of_table("experiment_curves", 1, turned) == content_hash_of_table(
        "experiment_curves", 1, curve()
    )


@pytest.mark.parametrize(
    "table",
    [
        curve().drop_columns(["equity"]),
        curve().append_column("more", pa.array([1, 2])),
        curve(pa.timestamp("us")),
        curve().set_column(1, "equity", pa.array(["a", "b"])),
    ],
)
def test_a_table_with_other_columns_has_a_type_of_its_own(table: pa.Table) -> None:
    spec = type_of_table("experiment_curves", 1, table)
    assert spec is not artifact_type("experiment_curves", 1)
    assert spec.schema.names == table.column_names
    assert (spec.sort_key, spec.unique_key) == ((), ())


def test_our_own_types_do_not_give_way() -> None:
    assert type_of_table("experiment_curves", 2, curve()) is artifact_type("experiment_curves", 2)
    with pytest.raises(SchemaError, match="does not have the type's columns"):
        content_hash_of_table("experiment_curves", 2, curve())


def test_text_times_stay_text() -> None:
    as_times = EARLIER_ALERTS.schema.set(0, pa.field("alert_ts_utc", pa.timestamp("us", tz="UTC"))).empty_table()
    assert has_columns_of(EARLIER_ALERTS.schema.empty_table(), EARLIER_ALERTS)
    assert not has_columns_of(as_times, EARLIER_ALERTS)


def test_every_lenient_type_has_a_newer_version_of_ours_and_every_older_one_of_ours_an_upcast() -> None:
    for spec in ARTIFACT_TYPES:
        newer = [other for other in ARTIFACT_TYPES if other.name == spec.name and other.version > spec.version]
        assert newer or not spec.is_lenient
        assert spec.is_lenient or spec.upcast or not newer
        assert spec.upcast is None or newer
        if spec.is_lenient:
            assert set(spec.sort_key) == set(spec.schema.names), "rows with equal sort keys would have no order"
            assert all(field.nullable for field in spec.schema)
