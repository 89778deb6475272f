from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from quantlab_core.errors import (
    ArtifactNotFoundError,
    InvalidInputError,
    ProjectionNotFoundError,
    SchemaError,
    StorageError,
)
from quantlab_core.projections.projection_builder import ProjectionBuilder, ProjectionIndex, ProjectionRequest
from quantlab_resources.projections.duckdb_file import open_projection
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
from quantlab_tests.resources.projections.small_lake import DAY, SmallLake


def rows(path: str, query: str) -> list[tuple[object, ...]]:
    with open_projection(path) as connection:
        return connection.execute(query).fetchall()


def test_a_projection_holds_the_rows_of_its_artifacts_by_token_and_time(lake: SmallLake) -> None:
    late, early = lake.candles("TokenB", [1.0, 2.0]), lake.candles("TokenA", [3.0])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [late.artifact_id, early.artifact_id]}))
    assert rows(built.duckdb_path, "SELECT token_address, ts, close FROM ohlcv") == [
        ("TokenA", DAY, 3.0),
        ("TokenB", DAY, 1.0),
        ("TokenB", DAY + timedelta(minutes=1), 2.0),
    ]
    (table,) = built.tables
    assert (table.name, table.row_count, built.total_rows, built.artifact_count) == ("ohlcv", 3, 3, 2)
    own = ("token_address", "chain", "ts", "open", "high", "low", "close", "volume")
    assert table.columns == (*own, "_token_id", "_source_id")
    assert built.duckdb_path == str(lake.cache / "p.duckdb")


def test_the_builder_is_a_projection_builder(lake: SmallLake) -> None:
    port: ProjectionBuilder = lake.builder
    assert port.list() == []


def test_the_time_is_exposed_as_ts_beside_the_column_of_the_source(lake: SmallLake) -> None:
    alerts = lake.alerts("2025-05-01", [("a2", "TokenB", DAY), ("a1", "TokenA", DAY + timedelta(hours=1))])
    built = lake.builder.build(ProjectionRequest("p", {"alerts": [alerts.artifact_id]}))
    assert built.tables[0].columns[-3:] == ("ts", "_token_id", "_source_id")
    assert rows(built.duckdb_path, "SELECT alert_id, ts, ts = alert_ts_utc FROM alerts") == [
        ("a1", DAY + timedelta(hours=1), True),
        ("a2", DAY, True),
    ]


def test_times_are_shown_in_utc_whatever_the_zone_of_the_machine(
    lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    candles = lake.candles("TokenA", [1.0])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}))
    assert rows(built.duckdb_path, "SELECT CAST(ts AS VARCHAR) FROM ohlcv") == [("2025-05-01 00:00:00+00",)]


def test_sets_stand_for_their_members_and_nothing_is_there_twice(lake: SmallLake) -> None:
    a, b = lake.candles("TokenA", [1.0]), lake.candles("TokenB", [2.0])
    inner = lake.frozen_set("candles", "inner", [a])
    outer = lake.frozen_set("candles", "outer", [inner, b])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [outer.artifact_id, a.artifact_id, inner.artifact_id]}))
    assert set(built.artifact_ids) == {a.artifact_id, b.artifact_id}
    assert built.total_rows == 2


def test_a_set_without_members_gives_no_table_and_says_so(lake: SmallLake) -> None:
    candles, empty = lake.candles("TokenA", [1.0]), lake.frozen_set("alerts", "none", [])
    built = lake.builder.build(ProjectionRequest("p", {"alerts": [empty.artifact_id], "ohlcv": [candles.artifact_id]}))
    assert [(table.name, table.row_count, table.columns == ()) for table in built.tables] == [
        ("alerts", 0, True),
        ("ohlcv", 1, False),
    ]
    assert lake.builder.rebuild("p") == built


def test_a_request_for_nothing_is_refused(lake: SmallLake) -> None:
    with pytest.raises(InvalidInputError, match="no artifact was named"):
        lake.builder.build(ProjectionRequest("p", {"alerts": []}))
    assert not lake.builder.exists("p")


def test_an_unknown_artifact_is_not_found(lake: SmallLake) -> None:
    with pytest.raises(ArtifactNotFoundError, match="not found: nobody"):
        lake.builder.build(ProjectionRequest("p", {"alerts": ["nobody"]}))


def test_index_requests_are_served_by_the_sort_order_or_an_art_index_and_the_result_says_which(
    lake: SmallLake,
) -> None:
    alerts = lake.alerts("2025-05-01", [("a1", "TokenA", DAY)])
    wanted = [("alert_ts_utc", "mint"), ("mint",), ("caller_name",), ("caller_name", "chain")]
    built = lake.builder.build(
        ProjectionRequest(
            "p", {"alerts": [alerts.artifact_id]}, tuple(ProjectionIndex("alerts", columns) for columns in wanted)
        )
    )
    assert built.tables[0].indexes == (
        "sort order (mint, ts) serves (alert_ts_utc, mint)",
        "sort order (mint, ts) serves (mint)",
        "ART index idx_alerts_caller_name",
        "scan: no index over (caller_name, chain); the rows are sorted by (mint, ts)",
    )
    assert rows(built.duckdb_path, "SELECT index_name FROM duckdb_indexes()") == [("idx_alerts_caller_name",)]


@pytest.mark.parametrize("index", [ProjectionIndex("ohlcv", ("nope",)), ProjectionIndex("other", ("ts",))])
def test_an_index_on_what_is_not_there_is_refused(lake: SmallLake, index: ProjectionIndex) -> None:
    candles = lake.candles("TokenA", [1.0])
    with pytest.raises(InvalidInputError, match="an index"):
        lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}, (index,)))
    assert not lake.builder.exists("p")


def test_artifacts_of_different_schemas_are_refused_by_name_before_anything_is_built(lake: SmallLake) -> None:
    whole = lake.publish("prices", 1, "part=a", pa.table({"price": pa.array([1], pa.int64())}))
    rounded = lake.publish("prices", 1, "part=b", pa.table({"price": pa.array([1.5])}))
    with pytest.raises(SchemaError, match="int64 in the first and double") as refusal:
        lake.builder.build(ProjectionRequest("p", {"prices": [whole.artifact_id, rounded.artifact_id]}))
    assert whole.artifact_id in str(refusal.value)
    assert rounded.artifact_id in str(refusal.value)
    assert not lake.builder.exists("p")


def test_a_column_that_only_one_artifact_has_is_refused(lake: SmallLake) -> None:
    one = lake.publish("prices", 1, "part=a", pa.table({"price": [1.0]}))
    two = lake.publish("prices", 1, "part=b", pa.table({"price": [1.0], "volume": [2.0]}))
    with pytest.raises(SchemaError, match="'volume' is in one only"):
        lake.builder.build(ProjectionRequest("p", {"prices": [one.artifact_id, two.artifact_id]}))


def test_the_fingerprint_follows_the_content_and_nothing_else(lake: SmallLake) -> None:
    a, b = lake.candles("TokenA", [1.0, 2.0]), lake.candles("TokenB", [3.0])
    first = lake.builder.build(ProjectionRequest("one", {"ohlcv": [a.artifact_id, b.artifact_id]}))
    other_order = lake.builder.build(ProjectionRequest("two", {"ohlcv": [b.artifact_id, a.artifact_id]}))
    less = lake.builder.build(ProjectionRequest("three", {"ohlcv": [a.artifact_id]}))
    assert first.fingerprint == other_order.fingerprint
    assert first.fingerprint != less.fingerprint


def test_the_fingerprint_does_not_depend_on_how_rows_lie_in_artifacts(lake: SmallLake) -> None:
    n = 300_000  # several blocks of the fingerprint and several row groups of DuckDB, with ties in the leading order
    numbers = pa.array([i * 7_919 % n for i in range(n)], pa.int64())
    whole = pa.table({"token": pa.array([f"T{i % 3}" for i in range(n)]), "number": numbers})
    together = lake.publish("numbers", 1, "part=all", whole)
    parts = [lake.publish("numbers", 1, f"part={i}", whole.slice(i * 100_000, 100_000)) for i in range(3)]
    one = lake.builder.build(ProjectionRequest("one", {"numbers": [together.artifact_id]}))
    three = lake.builder.build(ProjectionRequest("three", {"numbers": [part.artifact_id for part in parts]}))
    assert one.fingerprint == three.fingerprint


def test_a_deleted_file_is_rebuilt_from_the_id_with_an_equal_fingerprint(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0, 2.0])
    index = ProjectionIndex("ohlcv", ("chain",))
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}, (index,)))
    (lake.cache / "p.duckdb").unlink()
    assert not lake.builder.exists("p")
    assert DuckDBProjectionBuilder(lake.store, lake.cache).rebuild("p") == built
    assert lake.builder.exists("p")


def test_a_lost_record_is_found_inside_the_file(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}))
    lake.record("p").unlink()
    assert lake.builder.get("p") == built
    lake.builder.dispose("p")
    assert lake.builder.rebuild("p") == built


def test_disposing_deletes_the_file_and_keeps_the_record(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}))
    lake.builder.dispose("p")
    lake.builder.dispose("p")
    assert not Path(built.duckdb_path).exists()
    assert not lake.builder.exists("p")
    assert lake.builder.get("p") == built
    assert lake.builder.list() == [built]


def test_what_was_never_built_is_not_found(lake: SmallLake) -> None:
    for operation in (lake.builder.get, lake.builder.rebuild, lake.builder.refresh):
        with pytest.raises(ProjectionNotFoundError, match="not found: never"):
            operation("never")
    lake.builder.dispose("never")
    assert not lake.builder.exists("never")


def test_refresh_takes_the_new_heads_and_rebuild_stays_there(lake: SmallLake) -> None:
    old = lake.candles("TokenA", [1.0])
    candle_set = lake.frozen_set("candles", "current", [old])
    before = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candle_set.artifact_id]}))
    new = lake.candles("TokenA", [1.0, 2.0])
    assert lake.builder.rebuild("p") == before
    refreshed = lake.builder.refresh("p")
    assert refreshed.artifact_ids == (new.artifact_id,)
    assert refreshed.total_rows == 2
    (lake.cache / "p.duckdb").unlink()
    assert lake.builder.rebuild("p") == refreshed


def test_refresh_follows_a_set_to_the_set_that_superseded_it(lake: SmallLake) -> None:
    a = lake.candles("TokenA", [1.0])
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [lake.frozen_set("candles", "current", [a]).artifact_id]}))
    b = lake.candles("TokenB", [1.0])
    lake.frozen_set("candles", "current", [a, b])
    assert set(lake.builder.refresh("p").artifact_ids) == {a.artifact_id, b.artifact_id}


def test_refresh_drops_what_was_withdrawn(lake: SmallLake) -> None:
    a, b = lake.candles("TokenA", [1.0]), lake.candles("TokenB", [1.0])
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [a.artifact_id, b.artifact_id]}))
    lake.store.tombstone(b.artifact_id, reason="wrong token")
    assert lake.builder.refresh("p").artifact_ids == (a.artifact_id,)


def test_refresh_without_a_change_leaves_the_file_alone(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0])
    built = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles.artifact_id]}))
    before = Path(built.duckdb_path).stat()
    assert lake.builder.refresh("p") == built
    assert Path(built.duckdb_path).stat().st_ino == before.st_ino
    lake.builder.dispose("p")
    assert lake.builder.refresh("p") == built
    assert lake.builder.exists("p")


def test_building_again_replaces_the_request(lake: SmallLake) -> None:
    a, b = lake.candles("TokenA", [1.0]), lake.candles("TokenB", [2.0])
    lake.builder.build(ProjectionRequest("p", {"ohlcv": [a.artifact_id]}))
    lake.builder.build(ProjectionRequest("p", {"candles": [b.artifact_id]}))
    (table,) = lake.builder.rebuild("p").tables
    assert table.name == "candles"


def test_files_of_equal_content_differ_so_that_only_fingerprints_can_be_compared(lake: SmallLake) -> None:
    slices = lake.candles_of({f"Token{i}": [float(j) for j in range(50)] for i in range(20)})
    ids = [entry.artifact_id for entry in slices]
    built = [lake.builder.build(ProjectionRequest(name, {"ohlcv": ids})) for name in ("one", "two")]
    assert len({hashlib.sha256(Path(projection.duckdb_path).read_bytes()).hexdigest() for projection in built}) == 2
    assert len({projection.fingerprint for projection in built}) == 1


def test_opening_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot open"):
        open_projection(tmp_path / "none.duckdb")
