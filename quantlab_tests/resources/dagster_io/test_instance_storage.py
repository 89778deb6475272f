"""Where Dagster keeps its own records: in the lake, by the repository's dagster.yaml, with and without DAGSTER_HOME.

A canary: the storage classes are Dagster's own and not part of its public interface. When a new release of Dagster
changes them, these tests say so.
"""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from quantlab_resources.dagster_io.instance_storage import LakeComputeLogManager, LakeDagsterStorage
from quantlab_resources.lab import Lab
from quantlab_tests.resources.artifacts.lakes import files_under
from quantlab_tests.resources.dagster_io.small_graph import FIRST, SmallGraph, publish_events

ROOT = Path(__file__).parents[3]
PLACES = ("QUANTLAB_HOME", "DAGSTER_HOME", "ARTIFACT_MANIFEST_DB", "ARTIFACTS_ROOT")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is working directory, home and temporary folder; the lake is named by QUANTLAB_HOME."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for variable in PLACES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path / "lake"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(folder)
    return folder


def test_a_run_and_its_logs_land_in_the_lake_and_nowhere_else(tmp_path: Path, elsewhere: Path) -> None:
    lab = Lab.create(tmp_path / "lake")
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        graph = SmallGraph(lab, instance)
        graph.feed.mcap[FIRST] = 1.0
        graph.feed.before = lambda step: print(f"making {step}")
        run_id = graph.run("alert_events", partition=FIRST).run_id
        assert isinstance(instance.run_storage, type(LakeDagsterStorage.from_config_value(None, {}).run_storage))
        assert isinstance(instance.compute_log_manager, LakeComputeLogManager)
    dagster_folder = lab.paths.home / "dagster"
    stored = files_under(dagster_folder)
    assert "history/runs.db" in stored
    assert f"history/runs/{run_id}.db" in stored
    (standard_output,) = (dagster_folder / "compute_logs" / run_id).rglob("*.out")
    assert f"making alert_events[{FIRST}]" in standard_output.read_text()
    assert files_under(elsewhere) == []
    assert {path.name for path in tmp_path.iterdir()} == {"lake", "elsewhere"}
    with dg.DagsterInstance.from_config(str(ROOT)) as reopened:
        assert reopened.get_run_by_id(run_id) is not None
        (record,) = reopened.fetch_materializations(dg.AssetKey("alert_events"), limit=5).records
        assert record.partition_key == FIRST


def test_two_steps_may_ask_clickhouse_at_once_unless_somebody_said_otherwise(elsewhere: Path) -> None:
    def limits(said: int | None = None) -> dict[str, int]:
        with dg.DagsterInstance.from_config(str(ROOT)) as instance:
            if said is not None:
                instance.event_log_storage.set_concurrency_slots("clickhouse", said)
            return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}

    assert (limits(), limits(said=1), limits()) == ({"clickhouse": 2}, {"clickhouse": 1}, {"clickhouse": 1})


def test_without_a_named_home_the_lake_is_in_the_working_directory(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("QUANTLAB_HOME")
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        assert instance.get_runs() == []
    assert {path.name for path in elsewhere.iterdir()} == {"lake"}
    assert "dagster/history/runs.db" in files_under(elsewhere / "lake")


def test_dagsters_own_command_materializes_into_the_lake_without_dagster_home(tmp_path: Path, elsewhere: Path) -> None:
    lab = Lab.create(tmp_path / "lake")
    events = publish_events(lab, FIRST, 42.0)
    command = [Path(sys.executable).with_name("dagster"), "asset", "materialize", "--select", "alerts"]
    done = subprocess.run(
        [*command, "--partition", FIRST, "-m", "quantlab_assets.definitions"],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    (alerts,) = lab.artifacts.heads("alerts_v1")
    assert lab.artifacts.read(alerts.artifact_id)["mcap_at_call_usd"].to_pylist() == [42.0]
    assert [artifact.artifact_id for artifact in lab.artifacts.get_lineage(alerts.artifact_id).inputs] == [
        events.artifact_id
    ]
    with dg.DagsterInstance.from_config(str(ROOT)) as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey("alerts"), limit=5).records
        assert record.asset_materialization is not None
        assert (record.asset_materialization.tags or {})["dagster/data_version"] == alerts.content_hash
    assert files_under(elsewhere) == []
