"""Dagster's event log as the lake stores it: the same content as Dagster's own, in batches.

A canary: the storage classes are Dagster's own and not part of its public interface.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

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
