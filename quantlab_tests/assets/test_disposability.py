"""DuckDB holds no truth: every DuckDB file and the whole cache are deleted, made again from Parquet, and compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.projections.projection_builder import ProjectionIndex, ProjectionRequest
from quantlab_core.projections.row_fingerprint import RowsHash
from quantlab_resources.lab import Lab
from quantlab_resources.projections.duckdb_file import open_read_only
from quantlab_resources.projections.projection_names import quoted
from quantlab_resources.projections.table_writing import hash_of_query
from quantlab_tests.assets.demo_lake import DemoLake

Fingerprints = dict[tuple[str, str], tuple[int, RowsHash]]
"""Rows and hash of each (file, table)."""

BOOKKEEPING = {"_token_id", "_source_id"}
"""Numbers that each file gives anew; that a row comes from its artifact is compared by the artifact's id."""


@pytest.fixture(scope="session")
def projected_lake(demo_lake: DemoLake) -> Lab:
    """The demo's lake with more projections: every type with artifacts, an index, a refresh, a dataset."""
    lab = demo_lake.lab
    by_type: dict[str, list[str]] = {}
    for artifact in lab.artifacts.list_artifacts(ArtifactFilter(status=ArtifactStatus.ACTIVE, limit=None)).artifacts:
        if artifact.artifact_type != ARTIFACT_SET.name:
            by_type.setdefault(artifact.artifact_type, []).append(artifact.artifact_id)
    index = ProjectionIndex("alerts_v1", ("caller_name_norm",))
    lab.projections.build(ProjectionRequest("everything", by_type, (index,)))
    candles = by_type["token_candles_v1"]
    lab.projections.build(ProjectionRequest("some_candles", {"ohlcv": candles[:-1]}))
    lab.projections.build(ProjectionRequest("some_candles", {"ohlcv": candles[1:]}), incremental=True)
    lab.projections.build(ProjectionRequest("ohlcv_dataset", {"ohlcv": candles}, form="dataset"))
    lab.experiment_index.sync()
    return lab


def test_everything_in_duckdb_is_made_again_from_parquet(projected_lake: Lab) -> None:
    lab = projected_lake
    before = fingerprints(lab)
    files = {name for name, _ in before}
    assert {"research.duckdb", "everything.duckdb", "some_candles.duckdb", "experiments.duckdb"} <= files
    assert len(before) > 20
    assert all(rows for (_, table), (rows, _) in before.items() if table in {"ohlcv", "alerts", "experiments"})
    parquet = files_of(lab.paths.artifacts_root)

    delete_what_is_derived(lab)
    assert not list(lab.paths.home.rglob("*.duckdb"))
    make_again(lab)

    assert fingerprints(lab) == before
    assert files_of(lab.paths.artifacts_root) == parquet


HARMS = [
    "CREATE TABLE only_here AS SELECT 1 AS truth",
    "UPDATE alerts SET mint = mint || 'x' WHERE rowid = 0",
    "DELETE FROM alerts WHERE rowid = 0",
    "INSERT INTO alerts FROM alerts WHERE rowid = 0",
]


@pytest.mark.parametrize("harm", HARMS)
def test_a_truth_that_only_duckdb_holds_would_be_noticed(projected_lake: Lab, harm: str) -> None:
    """The negative control: what was put into a file by hand is gone after the rebuild, and the comparison says so."""
    lab = projected_lake
    with duckdb.connect(lab.projections.get("research").duckdb_path) as connection:
        connection.execute(harm)
    harmed = fingerprints(lab)
    lab.projections.rebuild("research")
    assert fingerprints(lab) != harmed


def fingerprints(lab: Lab) -> Fingerprints:
    """Of every table in every DuckDB file of the lake, and of every dataset."""
    found: Fingerprints = {}
    for path in sorted(lab.paths.home.rglob("*.duckdb")):
        with open_read_only(path) as connection:
            tables = connection.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' AND database_name = 'quantlab_file'"
            ).fetchall()
            for (table,) in tables:
                found[path.name, table] = fingerprint(connection, table)
    for projection in lab.projections.list():
        if projection.form == "dataset":
            parts = f"{projection.duckdb_path}/*/*/*.parquet"
            with duckdb.connect() as connection:
                connection.execute("LOAD icu; SET TimeZone = 'UTC'")
                query = f"SELECT * FROM read_parquet('{parts}', hive_partitioning = true, filename = false)"  # noqa: S608
                found[projection.projection_id, "parts"] = projection.total_rows, hash_of_query(connection, query)
    return found


def fingerprint(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[int, RowsHash]:
    columns = [row[0] for row in connection.execute(f"DESCRIBE {quoted(table)}").fetchall()]
    kept = ", ".join(f"r.{quoted(name)}" for name in columns if name not in BOOKKEEPING)
    query = f"SELECT {kept} FROM {quoted(table)} r"  # noqa: S608
    if "_source_id" in columns:
        query = (
            f"SELECT {kept}, s.artifact_id AS _artifact FROM {quoted(table)} r"  # noqa: S608
            f" LEFT JOIN quantlab.sources s ON s.source_id = r._source_id AND s.table_name = '{table}'"
        )
    ((count,),) = connection.execute(f"SELECT count(*) FROM {quoted(table)}").fetchall()  # noqa: S608
    return count, hash_of_query(connection, query)


def delete_what_is_derived(lab: Lab) -> None:
    """Every DuckDB file wherever it lies, and the whole cache folder."""
    shutil.rmtree(lab.paths.projection_cache)
    for path in [*lab.paths.home.rglob("*.duckdb"), *lab.paths.home.rglob("*.duckdb.wal")]:
        path.unlink()


def make_again(lab: Lab) -> None:
    """From the ids alone, in a lab that remembers nothing."""
    fresh = Lab(lab.paths.home)
    for projection in fresh.projections.list():
        fresh.projections.rebuild(projection.projection_id)
    fresh.experiment_index.reindex()
    fresh.close()


def files_of(folder: Path) -> dict[str, tuple[int, int]]:
    """Name, size and time of change of every file."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}
