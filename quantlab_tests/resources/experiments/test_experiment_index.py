from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from quantlab_core.experiments.experiment import ExperimentFilter, ExperimentStatus, ExperimentTransition
from quantlab_core.experiments.experiment_identity import encode_definition
from quantlab_resources.experiments.experiment_index import ExperimentIndex
from quantlab_resources.experiments.experiment_index_rows import TABLES
from quantlab_resources.projections.duckdb_file import open_read_only
from quantlab_tests.resources.experiments.experiment_lake import ExperimentLake

HOLD_OPEN = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
connection.execute("SELECT count(*) FROM experiments").fetchall()
print("open", flush=True)
sys.stdin.readline()
connection.close()
"""
LEAVE_A_DATABASE = """
import os, sys, duckdb
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE experiments AS SELECT 'mine' AS title")
connection.execute("CHECKPOINT")
connection.execute("INSERT INTO experiments VALUES ('mine too')")
os._exit(0)
"""
CREATE_AND_SYNC = """
import sys
from dataclasses import replace
from quantlab_core.experiments.experiment_identity import decode_definition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.clock import SystemClock
from quantlab_resources.experiments.experiment_index import ExperimentIndex
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_resources.lake_paths import LakePaths

paths = LakePaths.from_environment(sys.argv[1], {})
store = ParquetArtifactStore(paths, clock=SystemClock())
tracker = ArtifactExperimentTracker(store)
definition = decode_definition(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for i in range(2):
    tracker.create(replace(definition, experiment_id=f"{sys.argv[3]}-{i}"))
    print(ExperimentIndex(store, tracker, paths.experiment_db, retry_s=20).sync())
"""


@pytest.fixture
def index(lake: ExperimentLake) -> ExperimentIndex:
    return ExperimentIndex(lake.store, lake.tracker, lake.store.paths.experiment_db, retry_s=0.1)


def complete(lake: ExperimentLake, experiment_id: str, win_rate: float) -> None:
    lake.tracker.update_status(experiment_id, ExperimentStatus.RUNNING)
    key = f"experiment={experiment_id}/metrics"
    lake.store.publish_many(
        [lake.metrics(experiment_id, win_rate)],
        transition=ExperimentTransition(experiment_id, ExperimentStatus.COMPLETED, output_keys={"metrics": key}),
    )


def query(lake: ExperimentLake, sql: str) -> list[tuple[object, ...]]:
    with open_read_only(lake.store.paths.experiment_db) as connection:
        return connection.execute(sql).fetchall()


def content(lake: ExperimentLake) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, in one order."""
    return {table: query(lake, f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES}  # noqa: S608


def test_the_index_answers_sql_about_states_inputs_outputs_and_metrics(
    lake: ExperimentLake, index: ExperimentIndex
) -> None:
    definition = lake.definition("one")
    lake.tracker.create(definition)
    lake.tracker.create(lake.definition("two", strategy="momentum"))
    complete(lake, "one", 0.75)
    assert index.sync()
    assert query(lake, "SELECT experiment_id, status, attempt FROM experiments ORDER BY 1") == [
        ("one", "completed", 1),
        ("two", "pending", 0),
    ]
    assert query(lake, "SELECT created_at, strategy->>'name' FROM experiments WHERE experiment_id = 'two'") == [
        (datetime(2025, 6, 1, tzinfo=UTC), "momentum")
    ]
    assert query(lake, "SELECT experiment_id, param_id, metric, value, n FROM experiment_metrics") == [
        ("one", "base", "win_rate", 0.75, 4)
    ]
    outputs = lake.tracker.get("one").outputs
    assert outputs is not None
    assert query(lake, "SELECT output, artifact_id, artifact_type, row_count FROM experiment_outputs") == [
        ("metrics", outputs.metrics_artifact_id, "experiment_metrics", 2)
    ]
    assert query(lake, "SELECT role, artifact_id FROM experiment_inputs WHERE experiment_id = 'one' ORDER BY 1") == [
        ("alert_set", definition.alert_set_id),
        ("alerts", definition.inputs.alerts[0]),
        ("candle_set", definition.candle_set_id),
        ("ohlcv", definition.inputs.ohlcv[0]),
    ]


def test_a_deleted_index_is_rebuilt_with_the_same_content(lake: ExperimentLake, index: ExperimentIndex) -> None:
    """Once kept up to date change by change, once made from nothing."""
    lake.tracker.create(lake.definition("one"))
    index.sync()
    complete(lake, "one", 0.75)
    index.sync()
    lake.tracker.create(lake.definition("two"))
    lake.tracker.update_status("two", ExperimentStatus.CANCELLED)
    index.sync()
    step_by_step = content(lake)
    lake.store.paths.experiment_db.unlink()
    index.sync()
    assert content(lake) == step_by_step
    index.reindex()
    assert content(lake) == step_by_step
    assert len(step_by_step["experiments"]) == 2


def test_sync_without_a_change_changes_nothing(lake: ExperimentLake, index: ExperimentIndex) -> None:
    lake.tracker.create(lake.definition())
    index.sync()
    before = content(lake)
    assert index.sync()
    assert content(lake) == before


def test_the_tracker_answers_without_the_index(lake: ExperimentLake, index: ExperimentIndex) -> None:
    definition = lake.definition()
    lake.tracker.create(definition)
    index.sync()
    lake.store.paths.experiment_db.unlink()
    assert len(lake.tracker.list(ExperimentFilter())) == 1
    assert len(lake.tracker.find_by_input_artifacts([definition.alert_set_id])) == 1
    assert not lake.store.paths.experiment_db.exists()


@pytest.mark.parametrize("content_of_file", [b"", b"no database", b"x" * 20_000])
def test_a_file_that_is_no_database_is_set_aside_byte_for_byte(
    lake: ExperimentLake, index: ExperimentIndex, caplog: pytest.LogCaptureFixture, content_of_file: bytes
) -> None:
    lake.tracker.create(lake.definition())
    path = lake.store.paths.experiment_db
    path.parent.mkdir(parents=True)
    path.write_bytes(content_of_file)
    assert index.sync()
    assert query(lake, "SELECT experiment_id FROM experiments") == [("first",)]
    aside = path.with_name("experiments.duckdb.set-aside-1")
    assert aside.read_bytes() == content_of_file
    assert f"{path} is no index of experiments and was set aside as {aside}" in caplog.text


def test_an_index_damaged_beyond_reading_is_set_aside_and_nothing_is_overwritten(
    lake: ExperimentLake, index: ExperimentIndex
) -> None:
    lake.tracker.create(lake.definition())
    index.sync()
    path = lake.store.paths.experiment_db
    damaged = path.read_bytes()[:4_096] + b"\xff" * 9_000
    path.with_name("experiments.duckdb.set-aside-1").write_bytes(b"of an earlier day")
    path.write_bytes(damaged)
    assert index.sync()
    assert query(lake, "SELECT experiment_id FROM experiments") == [("first",)]
    assert path.with_name("experiments.duckdb.set-aside-1").read_bytes() == b"of an earlier day"
    assert path.with_name("experiments.duckdb.set-aside-2").read_bytes() == damaged


@pytest.mark.parametrize("way", ["sync", "reindex"])
def test_a_database_of_somebody_else_is_set_aside_with_all_its_rows(
    lake: ExperimentLake, index: ExperimentIndex, way: str
) -> None:
    lake.tracker.create(lake.definition())
    path = lake.store.paths.experiment_db
    path.parent.mkdir(parents=True)
    subprocess.run([sys.executable, "-c", LEAVE_A_DATABASE, str(path)], check=True)
    assert path.with_name("experiments.duckdb.wal").exists(), "its last rows are in the write-ahead log alone"
    getattr(index, way)()
    assert query(lake, "SELECT experiment_id FROM experiments") == [("first",)]
    assert not path.with_name("experiments.duckdb.wal").exists()
    with duckdb.connect(str(path.with_name("experiments.duckdb.set-aside-1"))) as connection:
        assert connection.execute("SELECT * FROM experiments ORDER BY 1").fetchall() == [("mine",), ("mine too",)]


def test_an_index_that_must_not_be_read_stays_where_it_is(lake: ExperimentLake, index: ExperimentIndex) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = lake.store.paths.experiment_db
    path.parent.mkdir(parents=True)
    path.write_bytes(b"private")
    path.chmod(0)
    assert not index.sync()
    path.chmod(0o600)
    assert path.read_bytes() == b"private"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE quantlab_index SET version = '0'",
        "ALTER TABLE experiments DROP COLUMN engine_version",
        "DROP TABLE experiment_metrics",
    ],
)
def test_an_index_of_another_version_is_replaced_and_not_kept(
    lake: ExperimentLake, index: ExperimentIndex, change: str
) -> None:
    lake.tracker.create(lake.definition())
    index.sync()
    before = content(lake)
    path = lake.store.paths.experiment_db
    with duckdb.connect(str(path)) as connection:
        connection.execute(change)
    assert index.sync()
    assert content(lake) == before
    assert query(lake, "SELECT version FROM quantlab_index") == [("1",)]
    assert not list(path.parent.glob("*set-aside*"))


def test_rows_that_no_journal_knows_disappear(lake: ExperimentLake, index: ExperimentIndex) -> None:
    lake.tracker.create(lake.definition())
    index.sync()
    with duckdb.connect(str(lake.store.paths.experiment_db)) as connection:
        connection.execute("INSERT INTO experiments (experiment_id, journal_seq) VALUES ('ghost', 1)")
    index.sync()
    assert query(lake, "SELECT experiment_id FROM experiments") == [("first",)]


def test_a_reader_that_keeps_the_index_open_costs_an_update_and_the_next_sync_catches_up(
    lake: ExperimentLake, index: ExperimentIndex, caplog: pytest.LogCaptureFixture
) -> None:
    lake.tracker.create(lake.definition("one"))
    index.sync()
    path = str(lake.store.paths.experiment_db)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_OPEN, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        lake.tracker.create(lake.definition("two"))
        assert not index.sync()
        assert "was not updated (the next sync catches up)" in caplog.text
        reader.communicate("close\n", timeout=240)
    assert query(lake, "SELECT count(*) FROM experiments") == [(1,)]
    assert index.sync()
    assert query(lake, "SELECT count(*) FROM experiments") == [(2,)]


def test_a_connection_of_this_process_costs_an_update_and_nothing_else(
    lake: ExperimentLake, index: ExperimentIndex
) -> None:
    lake.tracker.create(lake.definition("one"))
    index.sync()
    with duckdb.connect(str(lake.store.paths.experiment_db), read_only=True) as reader:
        lake.tracker.create(lake.definition("two"))
        assert not index.sync()
        assert reader.execute("SELECT count(*) FROM experiments").fetchall() == [(1,)]
    assert index.sync()
    assert query(lake, "SELECT count(*) FROM experiments") == [(2,)]


def test_several_processes_write_at_once_and_every_experiment_arrives(
    lake: ExperimentLake, index: ExperimentIndex
) -> None:
    home, text = str(lake.store.paths.home), encode_definition(lake.definition())
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE_AND_SYNC, home, text, f"writer{i}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(3)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    answers = [writer.communicate(timeout=240)[0] for writer in writers]
    assert answers == ["True\nTrue\n"] * 3
    assert index.sync()
    kept_up = content(lake)
    assert len(kept_up["experiments"]) == 6
    index.reindex()
    assert content(lake) == kept_up


def test_damaged_metrics_cost_the_metrics_and_not_the_experiment(
    lake: ExperimentLake, index: ExperimentIndex, caplog: pytest.LogCaptureFixture
) -> None:
    lake.tracker.create(lake.definition())
    complete(lake, "first", 0.5)
    outputs = lake.tracker.get("first").outputs
    assert outputs is not None
    assert outputs.metrics_artifact_id is not None
    path = Path(lake.store.get_artifact(outputs.metrics_artifact_id).path_parquet)
    path.chmod(0o644)
    path.write_bytes(b"gone")
    assert index.sync()
    assert query(lake, "SELECT status FROM experiments") == [("completed",)]
    assert query(lake, "SELECT count(*) FROM experiment_metrics") == [(0,)]
    assert "metrics of experiment first are left out" in caplog.text


def test_a_place_that_cannot_be_written_fails_no_experiment(lake: ExperimentLake, tmp_path: Path) -> None:
    lake.tracker.create(lake.definition())
    (tmp_path / "file").write_text("in the way")
    assert not ExperimentIndex(lake.store, lake.tracker, tmp_path / "file" / "index.duckdb").sync()
