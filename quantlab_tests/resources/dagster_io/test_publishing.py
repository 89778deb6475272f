"""What a materialization leaves in the lake and in Dagster: artifacts, data versions, lineage, by partition shape."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.partitions import DAYS, EXPORTS, add_partitions
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft
from quantlab_resources.dagster_io.materialization_metadata import set_hash
from quantlab_tests.resources.dagster_io.small_graph import FIRST, SECOND, THIRD, SmallGraph, publish_events


def test_one_partition_becomes_one_artifact_whose_hash_is_the_data_version(graph: SmallGraph) -> None:
    graph.feed.mcap[FIRST] = 10_000.0
    graph.run("alert_events", partition=FIRST)
    artifact = graph.head("alerts_event_v1", f"day={FIRST}/")
    assert graph.lab.artifacts.read(artifact.artifact_id)["mcap_at_call_usd"].to_pylist() == [10_000.0]
    (event,) = graph.materializations("alert_events")
    assert event.partition == FIRST
    assert event.tags is not None
    assert event.tags["dagster/data_version"] == artifact.content_hash
    assert event.tags["dagster/code_version"] == "3"
    assert event.metadata["artifact_id"] == dg.MetadataValue.path(artifact.artifact_id), (
        "the UI copies paths at a click"
    )
    assert event.metadata["dagster/size_bytes"].value == Path(artifact.path_parquet).stat().st_size
    assert event.metadata["dagster/row_count"].value == 1
    assert event.metadata["new_artifacts"].value == 1


def test_an_unpartitioned_set_of_many_partitions_points_at_each_of_them(graph: SmallGraph) -> None:
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0})
    graph.run("alert_events", "alerts", days=(FIRST, SECOND))
    graph.run("alert_set")
    frozen = graph.head("artifact_set", "of=alerts/")
    alerts = graph.lab.artifacts.heads("alerts_v1")
    assert graph.inputs(frozen) == {head.artifact_id for head in alerts}
    assert graph.lab.artifacts.read(frozen.artifact_id)["content_hash"].to_pylist() == [a.content_hash for a in alerts]
    assert graph.data_versions("alert_set") == {None: frozen.content_hash}


def test_a_range_is_one_run_and_each_partition_keeps_a_version_of_its_own(graph: SmallGraph) -> None:
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
    result = graph.run("alert_events", "alerts", days=(FIRST, THIRD))
    for asset, artifact_type in (("alert_events", "alerts_event_v1"), ("alerts", "alerts_v1")):
        hashes = {day: graph.head(artifact_type, f"day={day}/").content_hash for day in (FIRST, SECOND, THIRD)}
        assert graph.data_versions(asset) == hashes
        assert len(set(hashes.values())) == 3
        last = {event.partition: event for event in graph.materializations(asset)}
        for day in hashes:
            assert last[day].metadata["artifact_id"].value == graph.head(artifact_type, f"day={day}/").artifact_id
            assert (last[day].tags or {})["dagster/code_version"] == "3"
    assert {publication.run_id for publication in graph.lab.artifacts.publications()} == {result.run_id}


def test_in_a_range_a_partition_has_only_its_own_inputs(graph: SmallGraph) -> None:
    """The asset leaves its inputs to the ledger, which holds what was read for this partition, not for the run."""
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
    graph.run("alert_events", "alerts", days=(FIRST, THIRD))
    for day in (FIRST, SECOND, THIRD):
        events = graph.head("alerts_event_v1", f"day={day}/")
        assert graph.inputs(graph.head("alerts_v1", f"day={day}/")) == {events.artifact_id}


def test_a_day_without_artifacts_is_materialized_with_the_version_of_nothing(graph: SmallGraph) -> None:
    graph.feed.mcap[FIRST] = 1.0
    graph.run("alert_events", days=(FIRST, SECOND))
    graph.run("alert_events", partition=THIRD)
    versions = graph.data_versions("alert_events")
    assert versions[SECOND] == versions[THIRD] == set_hash([])
    assert graph.artifact_count() == 1


def test_a_dynamic_partition_publishes_its_outputs_together(graph: SmallGraph) -> None:
    add_partitions(graph.instance, EXPORTS, ["abc"])
    graph.feed.mcap["abc"] = 5
    graph.run("telegram_messages", "message_dispositions", "alerts_quarantine", partition="abc")
    for asset in ("telegram_messages", "message_dispositions", "alerts_quarantine"):
        (event,) = graph.materializations(asset)
        head = graph.lab.artifacts.get_artifact(str(event.metadata["artifact_id"].value))
        assert (event.partition, head.logical_key) == ("abc", "export=abc")
        assert graph.data_versions(asset) == {"abc": head.content_hash}
    assert graph.lab.artifacts.last_sequence() == 1


@pytest.mark.parametrize("days", [None, (FIRST, SECOND)])
def test_an_equal_rerun_finds_everything_there_and_tells_dagster_the_same(
    graph: SmallGraph, days: tuple[str, str] | None
) -> None:
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0})
    partition = None if days else FIRST
    graph.run("alert_events", "alerts", partition=partition, days=days)
    count, versions = graph.artifact_count(), graph.data_versions("alerts")
    graph.run("alert_events", "alerts", partition=partition, days=days)
    assert graph.artifact_count() == count
    assert graph.data_versions("alerts") == versions
    assert graph.materializations("alerts")[-1].metadata["new_artifacts"].value == 0


def test_changed_content_supersedes_and_changes_the_version_of_its_day_alone(graph: SmallGraph) -> None:
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0})
    graph.run("alert_events", "alerts", days=(FIRST, SECOND))
    before, versions = graph.head("alerts_v1", f"day={SECOND}/"), graph.data_versions("alerts")
    graph.feed.mcap[SECOND] = 99.0
    graph.run("alert_events", "alerts", days=(FIRST, SECOND))
    after = graph.head("alerts_v1", f"day={SECOND}/")
    assert after.artifact_id != before.artifact_id
    assert graph.lab.artifacts.get_artifact(before.artifact_id).status is ArtifactStatus.SUPERSEDED
    assert graph.lab.artifacts.read(before.artifact_id)["mcap_at_call_usd"].to_pylist() == [2.0]
    assert graph.data_versions("alerts") == {FIRST: versions[FIRST], SECOND: after.content_hash}


def test_a_run_reads_the_lake_as_of_its_start_plus_what_it_published_itself(graph: SmallGraph) -> None:
    """Between the two steps of a run another process replaces what the run wrote on one day, and adds a day."""
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0})
    outside = graph.from_outside()

    def meddle(step: str) -> None:
        if step == f"alerts[{FIRST}]":
            publish_events(outside, SECOND, 777.0)
            publish_events(outside, THIRD, 888.0)

    graph.feed.before = meddle
    graph.run("alert_events", "alerts", days=(FIRST, THIRD))
    assert caps(graph) == {FIRST: [1.0], SECOND: [2.0]}
    graph.feed.before = lambda _step: None
    graph.run("alerts", days=(FIRST, THIRD))
    assert caps(graph) == {FIRST: [1.0], SECOND: [777.0], THIRD: [888.0]}


def test_the_start_of_a_run_is_before_its_first_step_also_when_that_reads_nothing(graph: SmallGraph) -> None:
    graph.feed.mcap[FIRST] = 1.0
    outside = graph.from_outside()

    def meddle(step: str) -> None:
        if step.startswith("alert_events"):
            publish_events(outside, SECOND, 777.0)

    graph.feed.before = meddle
    graph.run("alert_events", "alerts", days=(FIRST, SECOND))
    assert [head.logical_key for head in graph.lab.artifacts.heads("alerts_v1")] == [f"day={FIRST}/chain=solana"]


def caps(graph: SmallGraph) -> dict[str, list[float]]:
    """Day → market caps of its current alerts."""
    store = graph.lab.artifacts
    return {
        parse_key(ALERTS, head.logical_key)["day"]: store.read(head.artifact_id)["mcap_at_call_usd"].to_pylist()
        for head in store.heads(ALERTS.name)
    }


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_step_has_read_is_let_go_at_its_end_whoever_keeps_the_step(graph: SmallGraph, fails: bool) -> None:
    graph.feed.mcap[FIRST] = 10_000.0
    graph.run("alert_events", partition=FIRST)
    steps: list[Step] = []
    tables: list[weakref.ref[pa.Table]] = []

    @artifact_asset(
        name="alerts",
        specs=[ALERTS],
        group="small",
        code_version="3",
        inputs={"events": Upstream("alert_events")},
        partitions_def=DAYS,
    )
    def alerts(step: Step) -> Iterator[ArtifactDraft]:
        """Reads twice what is kept in memory meanwhile."""
        steps.append(step)
        for _ in range(2):
            (artifact,) = step["events"].with_key(day=step.key)
            tables.append(weakref.ref(step["events"].read(artifact)))
        assert tables[0]() is tables[1]() is not None
        if fails:
            raise ValueError("after reading")
        yield from ()

    with pytest.raises(ValueError, match="after reading") if fails else nullcontext():
        graph.run_only(alerts, partition=FIRST)
    gc.collect()
    assert (len(steps), [table() for table in tables]) == (1, [None, None])
