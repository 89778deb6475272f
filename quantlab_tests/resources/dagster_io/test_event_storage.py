"""Dagster's event log as the lake stores it: the same content as Dagster's own, in batches.

A canary: the storage classes are Dagster's own and not part of its public interface.
"""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from quantlab_resources.dagster_io.event_storage import BATCH_VARIABLE, LakeEventLogStorage
from quantlab_resources.dagster_io.instance_storage import LakeDagsterStorage
from quantlab_resources.lab import Lab
from quantlab_tests.resources.dagster_io.small_graph import FIRST, SECOND, THIRD, SmallGraph

DAYS = (FIRST, THIRD)
OURS = {
    "storage": {
        "custom": {
            "module": "quantlab_resources.dagster_io.instance_storage",
            "class": "LakeDagsterStorage",
            "config": {},
        }
    }
}


@pytest.fixture(params=["ours", "Dagster's own"])
def graph(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallGraph]:
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path / "lake"))
    lab = Lab.create(tmp_path / "lake")
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(
        str(tmp_path / "instance"), overrides=OURS if request.param == "ours" else {}
    ) as instance:
        assert isinstance(instance.event_log_storage, LakeEventLogStorage) == (request.param == "ours")
        graph = SmallGraph(lab, instance)
        graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
        yield graph


def test_what_is_asked_of_the_storage_after_a_range_is_the_same_as_of_dagsters_own(graph: SmallGraph) -> None:
    run_id = graph.run("alert_events", "alerts", days=DAYS).run_id
    types = [
        record.dagster_event.event_type_value
        for record in graph.instance.all_logs(run_id)
        if record.dagster_event is not None
    ]
    assert (types.count("ASSET_MATERIALIZATION"), types.count("ASSET_MATERIALIZATION_PLANNED")) == (6, 6)
    assert types[-1] == "PIPELINE_SUCCESS"
    (record,) = graph.instance.get_asset_records([dg.AssetKey("alerts")])
    newest = record.asset_entry.last_materialization
    assert newest is not None
    assert newest.asset_materialization is not None
    assert newest.asset_materialization.partition == THIRD
    assert record.asset_entry.last_run_id == run_id
    assert set(graph.instance.get_materialized_partitions(dg.AssetKey("alerts"))) == {FIRST, SECOND, THIRD}


def test_a_runs_file_is_made_as_dagster_makes_it(graph: SmallGraph, tmp_path: Path) -> None:
    run_id = graph.run("alert_events", days=DAYS).run_id
    storage = graph.instance.event_log_storage
    assert isinstance(storage, SqliteEventLogStorage)
    made, own = tmp_path / "made.db", tmp_path / "own.db"
    subprocess.run(["cp", storage.path_for_shard(run_id), str(made)], check=True)
    SqliteEventLogStorage._initdb(storage, sa.create_engine(f"sqlite:///{own}"))
    assert layout(made) == layout(own)


def layout(file: Path) -> tuple[str, list[tuple[str]], list[tuple[str]]]:
    """How a file keeps its journal, what it is made of, and its revision."""
    with closing(sqlite3.connect(file)) as opened:
        (mode,) = opened.execute("PRAGMA journal_mode").fetchone()
        parts = opened.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        return mode, parts, opened.execute("SELECT version_num FROM alembic_version").fetchall()


def test_dagsters_migrations_are_looked_up_once_in_a_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = LakeEventLogStorage(str(tmp_path))
    with storage.run_connection("first"):
        pass

    def looked_up(*_: object) -> None:
        raise AssertionError("looked up again")

    monkeypatch.setattr(ScriptDirectory, "from_config", looked_up)
    with storage.run_connection("second"):
        pass
    assert layout(tmp_path / "second.db") == layout(tmp_path / "first.db")
    storage.dispose()


def test_a_file_that_many_ask_for_at_once_is_made_once(tmp_path: Path) -> None:
    storages = [LakeEventLogStorage(str(tmp_path)) for _ in range(8)]
    together = threading.Barrier(len(storages))

    def ask(storage: LakeEventLogStorage) -> None:
        together.wait()
        with storage.run_connection("run") as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM event_logs")).scalar_one() == 0

    with ThreadPoolExecutor(len(storages)) as pool:
        list(pool.map(ask, storages))
    assert len(layout(tmp_path / "run.db")[2]) == 1
    for storage in storages:
        storage.dispose()


def test_a_file_without_a_revision_is_left_to_dagster(tmp_path: Path) -> None:
    storage = LakeEventLogStorage(str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "run.db")) as older:
        older.execute("CREATE TABLE made_before (x)")
        older.commit()
    with storage.run_connection("run"):
        pass
    assert len(layout(tmp_path / "run.db")[2]) == 1
    storage.dispose()


def test_the_events_of_a_batch_are_one_transaction_and_another_process_sees_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path / "lake"))
    monkeypatch.setenv(BATCH_VARIABLE, "500")
    lab = Lab.create(tmp_path / "lake")
    batches: list[int] = []
    store = LakeEventLogStorage.store_event_batch

    def counting(self: LakeEventLogStorage, events: list[object]) -> None:
        batches.append(len(events))
        store(self, events)  # type: ignore[arg-type]

    monkeypatch.setattr(LakeEventLogStorage, "store_event_batch", counting)
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance"), overrides=OURS) as instance:
        graph = SmallGraph(lab, instance)
        graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
        graph.run("alert_events", days=DAYS)
        index = lab.paths.home / "dagster" / "history" / "runs" / "index.db"
        with sqlite3.connect(f"file:{index}?mode=ro", uri=True) as other:
            counted = "SELECT count(*) FROM event_logs WHERE dagster_event_type = 'ASSET_MATERIALIZATION'"
            assert other.execute(counted).fetchone() == (3,)
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        other.close()
    assert batches == [3, 3], "what is planned, and what was made"


def test_a_storage_that_was_closed_opens_its_files_again(tmp_path: Path) -> None:
    storage = LakeDagsterStorage(str(tmp_path))
    events = storage.event_log_storage
    assert events.has_table("event_logs")
    events.dispose()
    assert events.get_materialized_partitions(dg.AssetKey("alerts")) == set()
    events.dispose()
