"""`lake backup` and `lake prune-dagster`: a copy of a lake in use is whole, what is pruned is not missed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.definitions import build_defs
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_resources.artifacts.events.event_files import event_numbers
from quantlab_resources.dagster_io.old_runs import delete_runs, old_runs
from quantlab_resources.dagster_io.recorded_versions import recorded_versions
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake

ROOT = Path(__file__).parents[2]
PUBLISHER = """
import sys
from pathlib import Path
from quantlab_tests.faults.lake_view import store_at
from quantlab_tests.resources.artifacts.lakes import free_request
store, number = store_at(Path(sys.argv[1])), 0
while not Path(sys.argv[2]).exists():
    number += 1
    store.publish(free_request([number], key=f"meanwhile={number}"))
    print(number, flush=True)
"""


@pytest.fixture
def home(small_lake: SmallLake, tmp_path: Path) -> Path:
    return copied_lake(small_lake.home, tmp_path / "lake")


@pytest.fixture
def publisher(home: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that publishes until the file `stop` is there; it has begun."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-c", PUBLISHER, str(home), str(tmp_path / "stop")]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "1"
        yield process
        (tmp_path / "stop").touch()
        process.communicate(timeout=240)


def backed_up(home: Path, folder: Path, *options: str) -> dict[str, int]:
    result = call_quantlab("lake", "backup", folder, *options, "--format", "json", home=home)
    assert result.exit_code == 0, result.output
    report: dict[str, int] = json.loads(result.stdout)
    return report


def names_below(folder: Path) -> set[str]:
    """Files, without those that SQLite has only while a database is open."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path.relative_to(folder)) for path in files}


def test_a_lake_that_is_written_to_is_copied_whole_and_goes_on_from_the_copy(
    small_lake: SmallLake, home: Path, tmp_path: Path, publisher: subprocess.Popen[str]
) -> None:
    folder = tmp_path / "backup"
    report = backed_up(home, folder)
    (tmp_path / "stop").touch()
    publisher.wait(60)
    untouched, lake, copy = (Lab(place).artifacts for place in (small_lake.home, home, folder))
    assert lake.last_sequence() >= report["lastEvent"] == copy.last_sequence() > untouched.last_sequence()
    assert max(event_numbers(folder / "manifest" / "events")) == report["lastEvent"]
    found = copy.list_artifacts(ArtifactFilter(limit=None)).artifacts
    assert any(artifact.logical_key.startswith("meanwhile=") for artifact in found)
    for artifact in found:
        assert copy.read(artifact.artifact_id).equals(lake.read(artifact.artifact_id)), artifact.logical_key
        publications = copy.publications(artifact.artifact_id)
        assert publications == lake.publications(artifact.artifact_id)[: len(publications)]
    for question in (["experiments", "list"], ["lake", "stale"]):
        answers = [call_quantlab(*question, "--format", "json", home=place).stdout for place in (home, folder)]
        assert answers[0] == answers[1]
    assert shown_in_dagster(folder) == shown_in_dagster(home)
    # It goes on there: a new publication, and a manifest that follows from the events alone.
    assert call_quantlab("strategies", "publish", strategy_file(tmp_path), home=folder).exit_code == 0
    assert call_quantlab("lake", "verify", "--deep", home=folder).exit_code == 0
    assert call_quantlab("lake", "rebuild-manifest", home=folder).exit_code == 0


def test_a_second_backup_adds_what_is_new_and_leaves_the_rest(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    first = backed_up(home, folder)
    before = names_below(folder / "artifacts")
    assert call_quantlab("strategies", "publish", strategy_file(tmp_path), home=home).exit_code == 0
    second = backed_up(home, folder)
    assert second["lastEvent"] > first["lastEvent"]
    assert second["filesThereAlready"] > len(before)
    new = names_below(folder / "artifacts") - before
    assert len(new) == 2
    assert all("strategy_v1" in name for name in new)
    assert Lab(folder).artifacts.last_sequence() == Lab(home).artifacts.last_sequence()


def test_a_backup_that_was_interrupted_is_the_one_before_it_and_the_next_one_is_whole(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "backup"
    first = backed_up(home, folder)
    assert call_quantlab("strategies", "publish", strategy_file(tmp_path), home=home).exit_code == 0

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        result = call_quantlab("lake", "backup", folder, home=home)
    assert (result.exit_code, "free some space" in result.stderr) == (1, True), result.output
    assert Lab(folder).artifacts.last_sequence() == first["lastEvent"]
    assert call_quantlab("lake", "verify", home=folder).exit_code == 0
    Lab(folder).close()
    assert backed_up(home, folder)["lastEvent"] > first["lastEvent"]


def test_links_share_the_bytes_of_artifacts_and_of_nothing_else(home: Path, tmp_path: Path) -> None:
    backed_up(home, tmp_path / "backup", "--link")
    linked = {name for name in names_below(home) if (tmp_path / "backup" / name).exists()}
    shared = {name for name in linked if (home / name).samefile(tmp_path / "backup" / name)}
    assert {name.split("/")[0] for name in shared} == {"artifacts", "manifest"}
    assert "manifest/manifest.sqlite" not in shared


def test_a_folder_that_is_no_backup_of_this_lake_is_left_alone(home: Path, tmp_path: Path) -> None:
    other, backup = tmp_path / "other", tmp_path / "backup"
    assert call_quantlab("strategies", "publish", strategy_file(tmp_path), home=other).exit_code == 0
    backed_up(home, backup)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear", "utf-8")
    before = names_below(tmp_path)
    for folder, lake, said in (
        (home / "backup", home, "lie in one another"),
        (tmp_path, home, "lie in one another"),
        (tmp_path / "full", home, "is not empty and no earlier backup"),
        (tmp_path / "full" / "letter.txt", home, "is no folder"),
        (backup, other, "is of another lake"),
    ):
        result = call_quantlab("lake", "backup", folder, home=lake)
        assert (result.exit_code, said in result.stderr) == (1, True), result.output
    assert names_below(tmp_path) - before <= {"backup/backup.lock", "other/manifest/writers.lock"}
    assert call_quantlab("lake", "verify", home=backup).exit_code == 0


def test_what_the_lake_has_lost_is_named_and_the_status_is_1(home: Path, tmp_path: Path) -> None:
    (head,) = Lab(home).artifacts.heads("alerts_v1", "day=2025-05-01/")
    Path(head.path_parquet).unlink()
    result = call_quantlab("lake", "backup", tmp_path / "backup", home=home)
    assert result.exit_code == 1
    assert head.artifact_id in result.stdout


def test_old_runs_go_and_every_partition_stays_materialized(home: Path) -> None:
    stale = call_quantlab("lake", "stale", "--format", "json", home=home).stdout
    head, *_ = Lab(home).artifacts.heads("experiment_trades")
    lineage = call_quantlab("artifacts", "lineage", head.artifact_id, "--depth", "all", "--format", "json", home=home)
    checks = build_defs().resolve_asset_graph().asset_check_keys
    with dagster_instance(home) as instance:
        build_defs(home=str(home)).resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey("alert_set"), dg.AssetKey("token_calls")]
        )
        before = shown_by(instance)
        runs = instance.get_run_ids()
        assert old_runs(instance, before=datetime.now(UTC) - timedelta(days=1), checks=checks).unneeded == ()
        found = old_runs(instance, before=datetime.now(UTC) + timedelta(minutes=1), checks=checks)
        assert found.unneeded
        assert found.needed + len(found.unneeded) == len(runs)
        delete_runs(instance, found.unneeded)
        assert set(instance.get_run_ids()) == set(runs) - set(found.unneeded)
        assert shown_by(instance) == before
        assert old_runs(instance, before=datetime.now(UTC) + timedelta(minutes=1), checks=checks).unneeded == ()
        left = names_below(home / "dagster")
        assert not [name for name in left for run in found.unneeded if run in name]
    assert call_quantlab("lake", "stale", "--format", "json", home=home).stdout == stale
    again = call_quantlab("artifacts", "lineage", head.artifact_id, "--depth", "all", "--format", "json", home=home)
    assert again.stdout == lineage.stdout
    assert "\n0 materializations reported" in call_quantlab("lake", "sync-dagster", home=home).stdout


def test_the_command_counts_first_and_spares_what_is_young(home: Path) -> None:
    result = call_quantlab("lake", "prune-dagster", "--older-than", "90", home=home)
    assert result.stdout.startswith("would delete 0 runs; 0 older ones stay")
    assert call_quantlab("lake", "prune-dagster", "--older-than", "0", home=home).exit_code == 2


def strategy_file(folder: Path) -> Path:
    path = folder / "mine.yaml"
    path.write_text("name: mine\nstop_loss: 0.2\nmax_hold_min: 60\n", "utf-8")
    return path


def shown_in_dagster(home: Path) -> dict[str, object]:
    with dagster_instance(home) as instance:
        return shown_by(instance)


def shown_by(instance: dg.DagsterInstance) -> dict[str, object]:
    """Of every asset: the versions of its partitions, and when each was recorded."""
    graph = build_defs().resolve_asset_graph()
    return {
        key.to_user_string(): (
            recorded_versions(instance, key.to_user_string(), is_partitioned=graph.get(key).is_partitioned),
            sorted(instance.get_materialized_partitions(key)),
            [record.timestamp for record in instance.fetch_materializations(key, limit=1).records],
        )
        for key in sorted(graph.materializable_asset_keys)
    }
