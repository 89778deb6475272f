"""`lake sync-dagster`: what is in the manifest shows in Dagster, whatever became of Dagster's storage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.partitions import day_of
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.sync_dagster import AssetSync, SyncReport, sync_dagster
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import PublishRequest, Writer
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.table_attributes import attributes_of, with_attributes
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_resources.artifacts.manifest import head_origins
from quantlab_resources.dagster_io.materialization_metadata import set_hash
from quantlab_resources.dagster_io.recorded_versions import recorded_versions
from quantlab_resources.experiments.experiment_freezing import DaySelection
from quantlab_tests.assets.badges import Shown, out_of_sync, versions
from quantlab_tests.assets.small_inputs import FIRST, SECOND, THIRD
from quantlab_tests.assets.small_research import ELK, FOX, OWL, hold_1h, small_research
from quantlab_tests.cli.small_lake import call_quantlab, small_export
from quantlab_tests.copied_lake import copied_lake

NO_ARTIFACTS = set_hash([])
WRITER = Writer("test", "1", "0" * 40, False)


@pytest.fixture(scope="module")
def research(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeRuns]:
    """Two experiments, one on a selection of days, both executed. Not to be written to."""
    with small_research(tmp_path_factory.mktemp("sync")) as runs:
        for request in (hold_1h(), hold_1h("one day", selection=DaySelection(day_of(FIRST), day_of(FIRST)))):
            execute_experiment(runs, create_experiment(runs, request).definition.experiment_id)
        yield runs


@pytest.fixture
def copied(research: LakeRuns, tmp_path: Path) -> LakeRuns:
    """A copy of the lake, on the instance that knows it."""
    copied_lake(research.lab.paths.home, tmp_path / "lake")
    return LakeRuns(type(research.lab)(tmp_path / "lake"), research.instance)


@pytest.fixture
def empty() -> Iterator[dg.DagsterInstance]:
    """Dagster's storage after it was deleted."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_what_runs_reported_is_what_the_manifest_holds(research: LakeRuns) -> None:
    assert sync_dagster(research.lab, research.instance).reported == 0


def test_a_deleted_storage_shows_everything_again_with_the_same_versions_and_in_sync(
    research: LakeRuns, empty: dg.DagsterInstance
) -> None:
    report = sync_dagster(research.lab, empty)
    # A run that published nothing left nothing behind: no slice of the third day, whose token has no candles.
    expected = {place: version for place, version in versions(research.instance).items() if version != NO_ARTIFACTS}
    assert versions(empty) == expected
    assert ("ohlcv_slices", THIRD) not in expected
    assert out_of_sync(empty) == set()
    assert report.new_partitions == {"exports": 1, "candle_files": 1, "tokens": 3, "experiments": 2}
    assert report.reported == len(expected)


def test_a_second_call_finds_nothing_to_do(research: LakeRuns, empty: dg.DagsterInstance) -> None:
    sync_dagster(research.lab, empty)
    before = versions(empty)
    again = sync_dagster(research.lab, empty)
    assert again.reported == 0
    assert set(again.new_partitions.values()) == {0}
    assert sum(asset.shown_before for asset in again.assets) == len(before)


@pytest.mark.parametrize("partition", [FIRST, SECOND])
def test_an_event_says_of_its_partition_what_a_run_says(
    research: LakeRuns, empty: dg.DagsterInstance, partition: str
) -> None:
    sync_dagster(research.lab, empty)
    of_run, of_sync = (_newest(instance, "ohlcv_slices", partition) for instance in (research.instance, empty))
    counted = {"tokens_called", "tokens_unknown_to_source", "tokens_refused", "slices_without_candles", "slices_kept"}
    own = {"new_artifacts", "conflicting_candles", "rejected_rows", *counted}
    assert set(of_sync.metadata) == set(of_run.metadata) - own
    for name in ("dagster/row_count", "dagster/size_bytes", "artifacts"):
        assert of_sync.metadata[name] == of_run.metadata[name]
    shared = {"dagster/data_version", "dagster/code_version"}
    assert {k: v for k, v in of_sync.tags.items() if k in shared} == {k: of_run.tags[k] for k in shared}
    names = {tag for tag in of_sync.tags if tag.startswith("dagster/input_data_version/")}
    assert names == {tag for tag in of_run.tags if tag.startswith("dagster/input_data_version/")}


def test_what_no_run_reported_is_reported_and_what_rests_on_it_is_out_of_sync(
    copied: LakeRuns, empty: dg.DagsterInstance
) -> None:
    """Somebody corrects the alerts of a day by hand: slices of that day were cut for other alerts."""
    sync_dagster(copied.lab, empty)
    before = versions(empty)
    published = _republished(copied, ALERTS, f"day={SECOND}/chain=solana")
    report = sync_dagster(copied.lab, empty)
    assert _changed(before, versions(empty)) == {("alerts", SECOND): published}
    assert report.reported == 1
    assert out_of_sync(empty) == {("ohlcv_slices", SECOND), ("slice_quarantine", SECOND)}


def test_a_deleted_storage_does_not_hide_what_was_out_of_sync(copied: LakeRuns, empty: dg.DagsterInstance) -> None:
    _republished(copied, ALERTS, f"day={SECOND}/chain=solana")
    sync_dagster(copied.lab, empty)
    assert out_of_sync(empty) == {("ohlcv_slices", SECOND), ("slice_quarantine", SECOND)}


def test_a_partition_is_what_its_last_run_published_and_what_came_by_hand_since(
    copied: LakeRuns, empty: dg.DagsterInstance
) -> None:
    store = copied.lab.artifacts
    owl, fox = (next(head for head in store.heads(OHLCV_SLICE.name, f"token={token}/")) for token in (OWL, FOX))
    _publish(copied, OHLCV_SLICE, owl.logical_key, store.read(owl.artifact_id), run_id="later")
    sync_dagster(copied.lab, empty)
    assert versions(empty)["ohlcv_slices", FIRST] == owl.content_hash, "fox is of a token that the run did not find"
    by_hand = _republished(copied, OHLCV_SLICE, fox.logical_key)
    sync_dagster(copied.lab, empty)
    expected = [(OHLCV_SLICE.name, a.logical_key, h) for a, h in ((owl, owl.content_hash), (fox, by_hand))]
    assert versions(empty)["ohlcv_slices", FIRST] == set_hash(expected)


def test_days_and_keys_that_the_graph_does_not_know_are_named_and_stop_nothing(
    copied: LakeRuns, empty: dg.DagsterInstance
) -> None:
    store = copied.lab.artifacts
    (head,) = store.heads(ALERTS.name, f"day={SECOND}/")
    _publish(copied, ALERTS, "day=2015-03-01/chain=solana", store.read(head.artifact_id))
    request = PublishRequest(ALERTS.name, 99, "everything", store.read(head.artifact_id), WRITER)
    store.publish(request)
    report = _of(sync_dagster(copied.lab, empty), "alerts")
    assert (report.unknown_partitions, report.outside) == (["2015-03-01"], ("everything",))
    assert ("alerts", SECOND) in versions(empty)
    assert _of(sync_dagster(copied.lab, empty), "alerts").reported == 0


def test_a_slice_of_no_day_is_shown_through_its_token(copied: LakeRuns, empty: dg.DagsterInstance) -> None:
    store = copied.lab.artifacts
    head = store.heads(OHLCV_SLICE.name, f"token={ELK}/")[0]
    key = f"token={ELK}/chain=base/res=1m/from=2025-05-02T12:00:00Z/to=2025-05-02T13:00:00Z"
    _publish(copied, OHLCV_SLICE, key, store.read(head.artifact_id))
    before = versions(copied.instance)
    sync_dagster(copied.lab, empty)
    assert versions(empty)["ohlcv_slices", SECOND] == before["ohlcv_slices", SECOND]
    assert set(empty.get_dynamic_partitions("tokens")) == {f"solana:{t}" for t in (OWL, FOX, ELK)} | {f"base:{ELK}"}


def test_heads_come_in_batches_without_loss(research: LakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = research.lab.artifacts.manifest
    whole = list(head_origins.head_origins(manifest, ALERTS.name))
    assert [o.artifact.artifact_id for o in whole] == [h.artifact_id for h in research.lab.artifacts.heads(ALERTS.name)]
    assert all(origin.run_sequence > 0 for origin in whole)
    for size in (1, len(whole)):
        monkeypatch.setattr(head_origins, "BATCH", size)
        assert list(head_origins.head_origins(manifest, ALERTS.name)) == whole


def test_recorded_versions_are_the_newest_events_of_dagster(research: LakeRuns) -> None:
    """A canary: the query that gives them is not part of Dagster's public interface."""
    for asset, is_partitioned in (("alerts", True), ("alert_set", False), ("experiment_trades", True)):
        found = recorded_versions(research.instance, asset, is_partitioned=is_partitioned)
        assert found == {key: v for (name, key), v in versions(research.instance).items() if name == asset}
        assert found


def test_the_command_restores_a_storage_that_was_deleted(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    assert call_quantlab("alerts", "ingest", small_export(tmp_path / "result.json"), home=home).exit_code == 0
    assert "0 materializations reported" in call_quantlab("lake", "sync-dagster", home=home).stdout
    shutil.rmtree(home / "dagster")
    result = call_quantlab("lake", "sync-dagster", "--format", "json", home=home)
    report = json.loads(result.stdout)
    assert report["newPartitions"]["exports"] == 1
    reported = {asset["asset"]: asset["reported"] for asset in report["assets"]}
    assert (reported["alerts"], reported["alert_set"], reported["token_candles"]) == (2, 1, 0)
    shown = call_quantlab("lake", "sync-dagster", home=home).stdout
    assert "alert_events" in shown
    assert "0 materializations reported" in shown


def _of(report: SyncReport, asset: str) -> AssetSync:
    return next(found for found in report.assets if found.asset == asset)


def _newest(instance: dg.DagsterInstance, asset: str, partition: str) -> dg.AssetMaterialization:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    (record,) = instance.fetch_materializations(wanted, limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization


def _publish(runs: LakeRuns, spec: ArtifactType, key: str, table: object, **more: object) -> str:
    request = PublishRequest(spec.name, spec.version, key, table, WRITER, **more)  # type: ignore[arg-type]
    return runs.lab.artifacts.publish(request).artifact.content_hash


def _republished(runs: LakeRuns, spec: ArtifactType, key: str) -> str:
    """The key's content without its rows, published by hand; its content hash."""
    (head,) = runs.lab.artifacts.heads(spec.name, key)
    table = runs.lab.artifacts.read(head.artifact_id)
    return _publish(runs, spec, key, with_attributes(table.slice(0, 0), attributes_of(table)))


def _changed(before: Shown, after: Shown) -> Shown:
    return {place: version for place, version in after.items() if before.get(place) != version}
