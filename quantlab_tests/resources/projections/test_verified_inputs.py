"""What DuckDB reads itself and what is decoded for it: equal tables, and nothing that was not verified."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, SchemaError
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.projections.duckdb_file import open_projection
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
from quantlab_resources.projections.stored_inputs import verified_inputs
from quantlab_resources.projections.table_plan import TablePlan, plan_table
from quantlab_resources.projections.table_writing import create_table, create_token_table
from quantlab_resources.projections.verified_rows import VerifiedRows, verified_rows
from quantlab_tests.resources.artifacts.lakes import new_store
from quantlab_tests.resources.projections.damaged_files import damage
from quantlab_tests.resources.projections.small_lake import DAY, SmallLake

EVERY_TYPE = pa.table(
    {
        "token": pa.array(["a", None, ""]),
        "small": pa.array([-1, None, 127], pa.int8()),
        "short": pa.array([-1, None, 1], pa.int16()),
        "whole": pa.array([-1, None, 1], pa.int32()),
        "long": pa.array([-(2**63), None, 1], pa.int64()),
        "usmall": pa.array([255, None, 1], pa.uint8()),
        "ushort": pa.array([1, None, 1], pa.uint16()),
        "uwhole": pa.array([1, None, 1], pa.uint32()),
        "ulong": pa.array([2**64 - 1, None, 1], pa.uint64()),
        "single": pa.array([0.1, None, float("inf")], pa.float32()),
        "double": pa.array([0.1, None, -0.0]),
        "flag": pa.array([True, None, False]),
        "bytes": pa.array([b"\xff", None, b""]),
        "day": pa.array([date(2025, 5, 1), None, date(1960, 1, 1)]),
        "local": pa.array([datetime(2025, 5, 1, 1), None, datetime(1960, 1, 1)], pa.timestamp("us")),  # noqa: DTZ001
        "ts": pa.array([datetime(2025, 5, 1, tzinfo=UTC), None, DAY], pa.timestamp("us", tz="UTC")),
        "names": pa.array([["a", None], None, []], pa.list_(pa.string())),
        "numbers": pa.array([[1, None], None, []], pa.list_(pa.int32())),
    }
)


def described(path: str) -> list[tuple[object, ...]]:
    with open_projection(path) as connection:
        return connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'"
        ).fetchall()


def rows(path: str, query: str) -> list[tuple[object, ...]]:
    with open_projection(path) as connection:
        return connection.execute(query).fetchall()


def lake_at(home: Path) -> Iterator[SmallLake]:
    store = new_store(home)
    cache = store.paths.projection_cache
    yield SmallLake(store, DuckDBProjectionBuilder(store, cache), cache)
    store.close()


@pytest.fixture
def starred_lake(tmp_path: Path) -> Iterator[SmallLake]:
    """A lake below a folder whose name DuckDB would take for a pattern, so that the store decodes everything."""
    yield from lake_at(tmp_path / "my [*] lake")


def test_both_ways_to_read_give_the_same_table(lake: SmallLake, starred_lake: SmallLake) -> None:
    """Every type that a column may have, null and extreme values included."""
    here, there = (one.publish("every", 1, "part=a", EVERY_TYPE) for one in (lake, starred_lake))
    assert verified_inputs(lake.store, [here])[0].file is not None
    assert verified_inputs(starred_lake.store, [there])[0].file is None
    direct = lake.builder.build(ProjectionRequest("p", {"t": [here.artifact_id]}))
    decoded = starred_lake.builder.build(ProjectionRequest("p", {"t": [there.artifact_id]}))
    assert described(direct.duckdb_path) == described(decoded.duckdb_path)
    assert direct.fingerprint == decoded.fingerprint
    with open_projection(direct.duckdb_path) as connection:
        stored = connection.sql("SELECT * EXCLUDE (_token_id, _source_id) FROM t").to_arrow_table()
    assert sorted(map(repr, stored.to_pylist())) == sorted(map(repr, EVERY_TYPE.to_pylist()))


def test_versions_mix_through_upcasts(lake: SmallLake) -> None:
    earlier, ours = lake.earlier_candles("TokenB", [1.0, 2.0]), lake.candles("TokenA", [3.0])
    inputs = verified_inputs(lake.store, [earlier, ours])
    assert [entry.file is None for entry in inputs] == [True, False]
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [earlier.artifact_id, ours.artifact_id]}))
    assert rows(built.duckdb_path, "SELECT token_address, chain, ts, close FROM ohlcv") == [
        ("TokenA", "solana", DAY, 3.0),
        ("TokenB", "solana", DAY, 1.0),
        ("TokenB", "solana", DAY.replace(minute=1), 2.0),
    ]
    only_ours = lake.candles("TokenB", [1.0, 2.0])
    again = lake.builder.build(ProjectionRequest("q", {"ohlcv": [only_ours.artifact_id, ours.artifact_id]}))
    assert again.fingerprint == built.fingerprint


def test_every_row_says_which_artifact_it_comes_from(lake: SmallLake) -> None:
    artifacts = [lake.candles("TokenA", [1.0]), lake.earlier_candles("TokenB", [2.0])]
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [artifact.artifact_id for artifact in artifacts]}))
    query = "SELECT token_address, artifact_id, row_count FROM ohlcv JOIN quantlab.sources ON source_id = _source_id"
    assert sorted(rows(built.duckdb_path, query)) == [
        ("TokenA", artifacts[0].artifact_id, 1),
        ("TokenB", artifacts[1].artifact_id, 1),
    ]


def test_a_file_with_several_tokens_is_sorted_by_token_and_time(lake: SmallLake) -> None:
    calls = [("a1", "TokenC", DAY), ("a2", "TokenA", DAY.replace(hour=2)), ("a3", "TokenA", DAY.replace(hour=1))]
    one = lake.alerts("2025-05-01", calls)
    two = lake.alerts("2025-05-02", [("a4", "TokenB", DAY)])
    built = lake.builder.build(ProjectionRequest("p", {"alerts": [one.artifact_id, two.artifact_id]}))
    assert rows(built.duckdb_path, "SELECT alert_id, _token_id FROM alerts") == [
        ("a3", 1), ("a2", 1), ("a4", 2), ("a1", 3),
    ]  # fmt: skip


def test_tables_of_a_projection_share_the_numbers_of_tokens(lake: SmallLake) -> None:
    alerts = lake.alerts("2025-05-01", [("a1", "TokenB", DAY)])
    candles = [lake.candles(token, [1.0]) for token in ("TokenA", "TokenB")]
    built = lake.builder.build(
        ProjectionRequest("p", {"alerts": [alerts.artifact_id], "ohlcv": [entry.artifact_id for entry in candles]})
    )
    joined = "SELECT token_address FROM alerts JOIN ohlcv USING (_token_id)"
    assert rows(built.duckdb_path, joined) == [("TokenB",)]


@pytest.mark.parametrize("harm", ["damage", "remove"])
def test_a_harmed_file_is_named_before_anything_is_built(lake: SmallLake, harm: str) -> None:
    candles = lake.candles("TokenA", [1.0])
    path = Path(candles.path_parquet)
    if harm == "damage":
        damage(path)
    else:
        path.unlink()
    expected = ArtifactDamagedError if harm == "damage" else ArtifactMissingError
    with pytest.raises(expected, match=r"TokenA.*\.parquet") as refusal:
        lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}))
    assert "quantlab lake verify" in str(refusal.value) or "restore it" in str(refusal.value)
    assert not lake.builder.exists("p")


def swapped(artifact: Artifact, other: Artifact) -> None:
    """Another whole file takes the place of the artifact's."""
    path = Path(artifact.path_parquet)
    new = path.with_name("swapped")
    new.write_bytes(Path(other.path_parquet).read_bytes())
    new.replace(path)


def overwritten(artifact: Artifact, other: Artifact) -> None:
    """The artifact's file gets other bytes."""
    path = Path(artifact.path_parquet)
    path.chmod(0o644)
    path.write_bytes(Path(other.path_parquet).read_bytes())


def create_table_after(
    change: Callable[[], None], connection: duckdb.DuckDBPyConnection, plan: TablePlan, rows_: VerifiedRows
) -> None:
    change()
    create_table(connection, plan.shape, rows_)


@pytest.mark.parametrize("change", [swapped, overwritten])
def test_a_file_that_changes_between_verification_and_reading_ends_the_build(
    lake: SmallLake, change: Callable[[Artifact, Artifact], None]
) -> None:
    candles, other = lake.candles("TokenA", [1.0]), lake.candles("TokenB", [2.0])
    plan = plan_table("ohlcv", verified_inputs(lake.store, [candles]))
    with duckdb.connect() as connection:
        create_token_table(connection)
        with (
            pytest.raises(ArtifactDamagedError, match=r"TokenA.* was changed while it was read"),
            verified_rows(connection, lake.store, plan) as found,
        ):
            create_table_after(lambda: change(candles, other), connection, plan, found)


def test_fewer_rows_than_the_manifest_counts_end_the_build(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0, 2.0])
    (entry,) = verified_inputs(lake.store, [candles])
    plan = plan_table("ohlcv", [replace(entry, artifact=replace(candles, row_count=3))])
    with duckdb.connect() as connection:
        create_token_table(connection)
        with (
            pytest.raises(ArtifactDamagedError, match="gave 2 rows to table 'ohlcv', the manifest says 3"),
            verified_rows(connection, lake.store, plan) as found,
        ):
            create_table(connection, plan.shape, found)


@pytest.mark.parametrize("name", ["_source_id", "_TOKEN_ID"])
def test_a_column_of_ours_is_refused_in_artifacts(lake: SmallLake, name: str) -> None:
    artifact = lake.publish("odd", 1, "part=a", pa.table({name: [1]}))
    with pytest.raises(SchemaError, match="taken by a column"):
        lake.builder.build(ProjectionRequest("p", {"t": [artifact.artifact_id]}))


def test_columns_in_another_order_are_the_same_columns(lake: SmallLake) -> None:
    one = lake.publish("prices", 1, "part=a", pa.table({"price": [1.0], "volume": [2]}))
    two = lake.publish("prices", 1, "part=b", pa.table({"volume": [4], "price": [3.0]}))
    built = lake.builder.build(ProjectionRequest("p", {"t": [one.artifact_id, two.artifact_id]}))
    assert sorted(rows(built.duckdb_path, "SELECT price, volume FROM t")) == [(1.0, 2), (3.0, 4)]


def test_folders_that_look_like_partitions_add_no_column(tmp_path: Path) -> None:
    (lake,) = lake_at(tmp_path / "year=2025" / "lake")
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.candles("TokenA", [1.0]).artifact_id]}))
    assert "year" not in {name for name, _ in described(built.duckdb_path)}
    assert "year" not in built.tables[0].columns
