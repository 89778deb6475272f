from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from quantlab_core.errors import ArtifactDamagedError, ConflictError, InvalidInputError, SchemaError
from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionRequest, ProjectionResult
from quantlab_core.projections.token_buckets import bucket_of
from quantlab_tests.resources.projections.damaged_files import damage
from quantlab_tests.resources.projections.small_lake import DAY, SmallLake

TOKENS = ("TokenA", "TokenB", "TokenC")


def dataset(lake: SmallLake, *ids: str, projection_id: str = "ohlcv_v2_dataset") -> ProjectionResult:
    return lake.builder.build(ProjectionRequest(projection_id, {"ohlcv": ids}, form="dataset"))


def two_months(lake: SmallLake) -> list[str]:
    """Candles of three tokens in May and June; TokenA has both."""
    june = [(DAY.replace(month=6, day=2), "TokenA"), (DAY.replace(month=6), "TokenC")]
    rows = [(DAY, "TokenB"), (DAY.replace(minute=1), "TokenA"), (DAY, "TokenA"), *june]
    table = pa.table({"token": [token for _, token in rows], "ts": [at for at, _ in rows], "n": range(len(rows))})
    times = table.column("ts").cast(pa.timestamp("us", tz="UTC"))
    return [lake.publish("own_candles", 1, "part=a", table.set_column(1, "ts", times)).artifact_id]


def files(folder: str | Path) -> dict[str, str]:
    """Names below the folder with the hashes of their bytes."""
    root = Path(folder)
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*.parquet"))
    }


def test_files_lie_by_bucket_of_the_token_and_month(lake: SmallLake) -> None:
    built = dataset(lake, *two_months(lake))
    assert built.duckdb_path == str(lake.cache / "ohlcv_v2_dataset")
    a, b, c = map(bucket_of, TOKENS)
    assert set(files(built.duckdb_path)) == {
        f"bucket={a}/month=2025-05/part-0.parquet",
        f"bucket={a}/month=2025-06/part-0.parquet",
        f"bucket={b}/month=2025-05/part-0.parquet",
        f"bucket={c}/month=2025-06/part-0.parquet",
    }
    first = pl.read_parquet(Path(built.duckdb_path) / f"bucket={a}" / "month=2025-05" / "part-0.parquet")
    assert first.columns[:3] == ["token", "ts", "n"]
    assert first["n"].to_list() == [2, 1]


def test_other_tools_read_it_with_hive_partitioning(lake: SmallLake) -> None:
    built = dataset(lake, *two_months(lake))
    pattern = f"{built.duckdb_path}/*/*/*.parquet"
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT token, bucket, CAST(month AS VARCHAR), n FROM read_parquet(?, hive_partitioning = true) ORDER BY n",
            [pattern],
        ).fetchall()
    months = ["2025-05"] * 3 + ["2025-06"] * 2
    tokens = ["TokenB", "TokenA", "TokenA", "TokenA", "TokenC"]
    assert found == [
        (token, bucket_of(token), month, n) for n, (token, month) in enumerate(zip(tokens, months, strict=True))
    ]
    frame = pl.scan_parquet(built.duckdb_path + "/**/*.parquet", hive_partitioning=True)
    june = frame.filter((pl.col("month") == "2025-06") & (pl.col("bucket") == bucket_of("TokenA"))).collect()
    assert june["n"].to_list() == [3]


def test_it_has_the_fingerprint_of_the_same_table_in_a_duckdb_file(lake: SmallLake) -> None:
    ids = [lake.candles(token, [1.0, 2.0]).artifact_id for token in TOKENS]
    ids.append(lake.earlier_candles("TokenD", [3.0]).artifact_id)
    file = lake.builder.build(ProjectionRequest("p", {"ohlcv": ids}))
    built = dataset(lake, *ids)
    assert built.fingerprint == file.fingerprint
    assert built.total_rows == file.total_rows == 7


def test_equal_content_has_equal_bytes(lake: SmallLake) -> None:
    ids = [lake.candles(token, [1.0, 2.0]).artifact_id for token in TOKENS]
    first = files(dataset(lake, *ids).duckdb_path)
    again = files(dataset(lake, *reversed(ids), projection_id="again").duckdb_path)
    assert first == again
    assert len(first) == len({bucket_of(token) for token in TOKENS})


def test_it_is_recorded_refreshed_disposed_and_rebuilt_like_a_file(lake: SmallLake) -> None:
    ids = [lake.candles(token, [1.0]).artifact_id for token in TOKENS]
    built = dataset(lake, *ids)
    before = files(built.duckdb_path)
    assert lake.builder.get("ohlcv_v2_dataset") == built
    lake.builder.dispose("ohlcv_v2_dataset")
    assert lake.cached() == []
    assert not lake.builder.exists("ohlcv_v2_dataset")
    assert lake.builder.rebuild("ohlcv_v2_dataset") == built
    assert files(built.duckdb_path) == before
    lake.candles("TokenA", [1.0, 2.0])
    (state,) = lake.builder.states()
    assert (state.superseded, state.is_there) == (1, True)
    assert state.byte_size > sum(path.stat().st_size for path in Path(built.duckdb_path).rglob("*.parquet"))
    assert lake.builder.refresh("ohlcv_v2_dataset").total_rows == 4
    assert lake.builder.evict(0, apply=True).evicted[0].projection.projection_id == "ohlcv_v2_dataset"
    assert not Path(built.duckdb_path).exists()


def test_a_lost_record_is_found_inside_the_dataset(lake: SmallLake) -> None:
    old = dataset(lake, lake.candles("TokenA", [1.0]).artifact_id)
    record = lake.record("ohlcv_v2_dataset").read_bytes()
    new = dataset(lake, lake.candles("TokenB", [1.0, 2.0]).artifact_id)
    assert new != old
    lake.record("ohlcv_v2_dataset").chmod(0o644)
    lake.record("ohlcv_v2_dataset").write_bytes(record)
    assert lake.builder.get("ohlcv_v2_dataset") == new


def test_a_reader_keeps_the_files_that_it_opened(lake: SmallLake) -> None:
    built = dataset(lake, lake.candles("TokenA", [1.0]).artifact_id)
    (name,) = files(built.duckdb_path)
    with (Path(built.duckdb_path) / name).open("rb") as reader:
        before = reader.read()
        dataset(lake, lake.candles("TokenA", [1.0, 2.0]).artifact_id)
        reader.seek(0)
        assert reader.read() == before
    assert len([path for path in lake.cache.iterdir() if path.name.endswith(".dataset")]) == 1


def test_a_damaged_input_is_named_and_the_old_dataset_stays(lake: SmallLake) -> None:
    a, b = lake.candles("TokenA", [1.0]), lake.candles("TokenB", [1.0])
    built = dataset(lake, a.artifact_id)
    before = files(built.duckdb_path)
    damage(Path(b.path_parquet))
    with pytest.raises(ArtifactDamagedError, match="TokenB"):
        dataset(lake, a.artifact_id, b.artifact_id)
    assert files(built.duckdb_path) == before
    assert not [path.name for path in lake.cache.iterdir() if "building" in path.name]


def test_the_dataset_of_an_earlier_system_is_neither_replaced_nor_deleted(lake: SmallLake) -> None:
    old = lake.cache / "ohlcv_v2_dataset" / "bucket=1" / "month=2025-05"
    old.mkdir(parents=True)
    (old / "data_0.parquet").write_bytes(b"precious")
    with pytest.raises(ConflictError, match="not built by quantlab"):
        dataset(lake, lake.candles("TokenA", [1.0]).artifact_id)
    lake.builder.dispose("ohlcv_v2_dataset")
    assert (old / "data_0.parquet").read_bytes() == b"precious"


def test_what_cannot_be_a_dataset_is_refused(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0]).artifact_id
    timeless = lake.publish("prices", 1, "part=a", pa.table({"token": ["a"], "price": [1.0]})).artifact_id
    tokenless = lake.publish(
        "calls", 1, "part=a", pa.table({"token": ["a", None], "ts": pa.array([DAY, DAY], pa.timestamp("us", tz="UTC"))})
    ).artifact_id
    index = ProjectionIndex("ohlcv", ("chain",))
    refused = [
        (InvalidInputError, "no token or no time", ProjectionRequest("d", {"t": [timeless]}, form="dataset")),
        (SchemaError, "row without token or time", ProjectionRequest("d", {"t": [tokenless]}, form="dataset")),
        (InvalidInputError, "one table", ProjectionRequest("d", {"a": [candles], "b": [candles]}, form="dataset")),
        (InvalidInputError, "no index", ProjectionRequest("d", {"ohlcv": [candles]}, (index,), form="dataset")),
        (InvalidInputError, "like a DuckDB file", ProjectionRequest("d.duckdb", {"t": [candles]}, form="dataset")),
    ]
    for error, message, request in refused:
        with pytest.raises(error, match=message):
            lake.builder.build(request)
    assert lake.builder.list() == []


def test_a_projection_may_change_its_form(lake: SmallLake) -> None:
    candles = lake.candles("TokenA", [1.0]).artifact_id
    as_dataset = dataset(lake, candles, projection_id="p")
    as_file = lake.builder.build(ProjectionRequest("p", {"ohlcv": [candles]}))
    assert not Path(as_dataset.duckdb_path).exists()
    assert Path(as_file.duckdb_path).is_file()
    assert lake.cached() == ["p.duckdb"]
