"""What is made from a lake and can be made again: projections and the index of experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from quantlab_core.errors import ProjectionNotFoundError
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_core.projections.projection_builder import ProjectionRequest
from quantlab_resources.experiments.experiment_index import ExperimentIndex
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_resources.projections.duckdb_file import open_projection
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
from quantlab_tests.faults.lake_view import clean_up, flaws, store_at
from quantlab_tests.faults.scenario import WritePath
from quantlab_tests.faults.store_paths import make_lake
from quantlab_tests.resources.artifacts.lakes import free_request, slice_request
from quantlab_tests.resources.experiments.experiment_lake import ExperimentLake


def builder_at(home: Path) -> DuckDBProjectionBuilder:
    return DuckDBProjectionBuilder(store_at(home), home / "cache")


def all_heads(home: Path) -> list[str]:
    store = store_at(home)
    try:
        return [head.artifact_id for head in store.heads("outside")]
    finally:
        store.close()


def make_lake_with_a_projection(home: Path) -> None:
    make_lake(home)
    builder_at(home).build(ProjectionRequest("p", {"numbers": all_heads(home)}))
    store = store_at(home)
    store.publish(free_request(list(range(100)), key="of=more"))
    store.close()


def build(home: Path) -> None:
    builder_at(home).build(ProjectionRequest("p", {"numbers": all_heads(home)}))


def dispose(home: Path) -> None:
    builder_at(home).dispose("p")


def rebuild(home: Path) -> None:
    builder_at(home).rebuild("p")


def build_in_place(home: Path) -> None:
    path = home / "cache" / "p.duckdb"
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT unnest(range(100)) AS n")
    path.unlink()  # a file without a record is somebody else's, and would be left alone
    build(home)


def projection_view(home: Path) -> Any:
    """Rows of the file that is there, and whether it is what its record says."""
    builder = builder_at(home)
    try:
        recorded = builder.get("p")
    except ProjectionNotFoundError:
        return "never built"
    if not builder.exists("p"):
        return "disposed", recorded.fingerprint
    try:
        with open_projection(recorded.duckdb_path) as connection:
            rows = connection.execute("SELECT count(*), sum(n) FROM numbers").fetchall()
    except duckdb.Error as error:
        return "broken", str(error)
    return "built", recorded.fingerprint, recorded.total_rows, rows


def clear_cache(home: Path) -> bool:
    """Building is what clears the cache; says whether it left a half-built file."""
    left = [path.name for path in (home / "cache").iterdir() if "building" in path.name]
    clean_up(home)
    return bool(left)


PROJECTION = WritePath(
    "projection",
    make_lake_with_a_projection,
    (build, dispose, rebuild),
    projection_view,
    lambda view: view,
    flaws,
    clear_cache,
    build_in_place,
)


def make_lake_with_a_stale_projection(home: Path) -> None:
    make_lake(home)
    store = store_at(home)
    store.publish_many([free_request(list(range(100 * i, 100 * i + 100)), key=f"part={i}") for i in range(10)])
    store.close()
    build(home)
    store = store_at(home)
    store.publish(free_request(list(range(50)), key="part=3"))
    store.close()


def refresh(home: Path) -> None:
    builder_at(home).refresh("p")


def refresh_in_place(home: Path) -> None:
    with duckdb.connect(str(home / "cache" / "p.duckdb")) as connection:
        connection.execute("DELETE FROM numbers WHERE n BETWEEN 300 AND 399")
        connection.execute("CHECKPOINT")
        connection.execute("INSERT INTO numbers (n) SELECT unnest(range(50))")
    refresh(home)


REFRESH = WritePath(
    "refresh",
    make_lake_with_a_stale_projection,
    (refresh,),
    projection_view,
    lambda view: view,
    flaws,
    clear_cache,
    refresh_in_place,
    cases=10,
    refused_cases=8,
)


def make_lake_with_a_dataset(home: Path) -> None:
    make_lake(home)
    store = store_at(home)
    store.publish(slice_request([1.0, 2.0], key="first"))
    build_dataset(home)
    store.publish(slice_request([1.0, 2.0, 3.0], key="more"))
    store.close()


def build_dataset(home: Path) -> None:
    store = store_at(home)
    ids = [head.artifact_id for head in store.heads("ohlcv_slice_v2")]
    store.close()
    builder_at(home).build(ProjectionRequest("d", {"ohlcv": ids}, form="dataset"))


def dispose_dataset(home: Path) -> None:
    builder_at(home).dispose("d")


def rebuild_dataset(home: Path) -> None:
    builder_at(home).rebuild("d")


def build_dataset_in_place(home: Path) -> None:
    parts = sorted((home / "cache" / "d").glob("*/*/*.parquet"))
    for part in parts:
        part.unlink()
    build_dataset(home)


def dataset_view(home: Path) -> Any:
    """Rows of the dataset that is there, and whether it is what its record says."""
    builder = builder_at(home)
    recorded = builder.get("d")
    if not builder.exists("d"):
        return "disposed", recorded.fingerprint
    with duckdb.connect() as connection:
        try:
            query = "SELECT count(*), sum(close) FROM read_parquet(?)"
            rows = connection.execute(query, [f"{recorded.duckdb_path}/*/*/*.parquet"]).fetchall()
        except duckdb.Error as error:
            return "broken", str(error)
    return "built", recorded.fingerprint, recorded.total_rows, rows


def clear_dataset(home: Path) -> bool:
    """Building is what clears the cache; says whether it left more than the dataset and the link to it."""
    left = [p.name for p in (home / "cache").iterdir() if p.name.startswith(".") and not p.name.endswith("lock")]
    clean_up(home)
    return len(left) > 1


DATASET = WritePath(
    "dataset",
    make_lake_with_a_dataset,
    (build_dataset, dispose_dataset, rebuild_dataset),
    dataset_view,
    lambda view: view,
    flaws,
    clear_dataset,
    build_dataset_in_place,
    cases=12,
    refused_cases=8,
)


def index_at(home: Path) -> ExperimentIndex:
    store = store_at(home)
    return ExperimentIndex(store, ArtifactExperimentTracker(store), home / "data" / "experiments.duckdb", retry_s=0.0)


def make_lake_with_an_experiment(home: Path) -> None:
    make_lake(home)
    store = store_at(home)
    tracker = ArtifactExperimentTracker(store)
    lake = ExperimentLake(store, tracker)
    tracker.create(lake.definition("first"))
    store.close()


def index(home: Path) -> None:
    index_at(home).sync()


def index_after_a_change(home: Path) -> None:
    store = store_at(home)
    tracker = ArtifactExperimentTracker(store)
    if tracker.get("first").status is ExperimentStatus.PENDING:
        tracker.update_status("first", ExperimentStatus.RUNNING)
    store.close()
    index(home)


def index_in_pieces(home: Path) -> None:
    """Deletes the rows in one transaction and adds them in another, after so many writes that a sample hits one."""
    index(home)
    with duckdb.connect(str(home / "data" / "experiments.duckdb")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM experiments")
        connection.execute("DELETE FROM experiments")
        for number in range(4):
            connection.execute(f"CREATE TABLE between_{number} AS SELECT unnest(range(100)) AS n")
            connection.execute("CHECKPOINT")
        connection.execute("INSERT INTO experiments SELECT * FROM kept")
        connection.execute("DROP TABLE kept")


def index_view(home: Path) -> Any:
    """Ids and states in the index, if there is one."""
    path = home / "data" / "experiments.duckdb"
    if not path.exists():
        return "no index"
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("SELECT experiment_id, status FROM experiments ORDER BY 1").fetchall()


INDEX = WritePath(
    "index",
    make_lake_with_an_experiment,
    (index, index_after_a_change),
    index_view,
    lambda view: view,
    flaws,
    clean_up,
    index_in_pieces,
)

DERIVED_PATHS = (PROJECTION, REFRESH, DATASET, INDEX)
