"""The sensor that reports what a crash kept from Dagster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.automation import reconcile_events as module
from quantlab_assets.automation.reconcile_events import (
    LOST_AFTER,
    SETTLED_AFTER,
    reconcile_events,
    reconcile_events_sensor,
)
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab
from quantlab_resources.progress import PublishedUnit, listening
from quantlab_tests.resources.dagster_io.small_graph import FIRST, SECOND, THIRD, SmallGraph, publish_events

ROOT = Path(__file__).parents[2]
SOON = SETTLED_AFTER + timedelta(seconds=1)
KILLED = """
import os, sys
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_resources.lab import Lab
from quantlab_resources.progress import listening
from quantlab_tests.resources.dagster_io.small_graph import FIRST, SECOND, THIRD, SmallGraph
lab = Lab.create(sys.argv[1])
with dagster_instance(lab.paths.home) as instance:
    graph = SmallGraph(lab, instance)
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
    with listening(lambda unit: unit.partition == SECOND and os._exit(9)):
        graph.run("alert_events", days=(FIRST, THIRD))
"""
"""A process that is gone right after the second day's commit, before its event."""


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[SmallGraph]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield SmallGraph(Lab.create(tmp_path / "lake"), instance)


def after(elapsed: timedelta) -> datetime:
    return datetime.now(UTC) + elapsed


def crash(graph: SmallGraph, day: str) -> None:
    """A run that dies between the manifest's commit and Dagster's event."""
    graph.feed.mcap[day] = 1.0

    def die(_unit: PublishedUnit) -> None:
        raise KeyboardInterrupt

    with listening(die), pytest.raises(KeyboardInterrupt):
        graph.run("alert_events", partition=day)


def test_what_a_crash_kept_from_dagster_is_reported_once(graph: SmallGraph) -> None:
    crash(graph, FIRST)
    assert graph.materializations("alert_events") == []
    found = reconcile_events(graph.lab, graph.instance, 0, after(SOON))
    assert found.reported == {"alert_events": 1}
    head = graph.head("alerts_event_v1", f"day={FIRST}/")
    assert graph.data_versions("alert_events") == {FIRST: head.content_hash}
    for since in (found.cursor, 0):
        again = reconcile_events(graph.lab, graph.instance, since, after(SOON))
        assert (again.reported, again.cursor) == ({}, graph.lab.artifacts.last_sequence())
    assert len(graph.materializations("alert_events")) == 1


def test_what_runs_have_told_is_not_reported_again(graph: SmallGraph) -> None:
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0})
    graph.run("alert_events", "alerts", days=(FIRST, SECOND))
    assert reconcile_events(graph.lab, graph.instance, 0, after(SOON)).reported == {}
    assert len(graph.materializations("alerts")) == 2


def test_a_run_in_progress_is_left_alone_until_it_ends_or_is_given_up(graph: SmallGraph) -> None:
    looks: list[module.Reconciled] = []

    def look(step: str) -> None:
        if step == f"alert_events[{THIRD}]":
            looks.extend(reconcile_events(graph.lab, graph.instance, 0, after(SOON)) for _ in range(2))
            looks.append(reconcile_events(graph.lab, graph.instance, 0, after(LOST_AFTER + SOON)))

    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
    graph.feed.before = look
    graph.run("alert_events", days=(FIRST, THIRD))
    assert [(found.reported, found.cursor, found.waiting) for found in looks[:2]] == [({}, 0, 1)] * 2
    assert looks[2].reported == {"alert_events": 2}, "a run that says nothing for long is no longer waited for"


def test_what_was_just_published_waits_a_little(graph: SmallGraph) -> None:
    crash(graph, FIRST)
    publish_events(graph.lab, SECOND, 2.0)
    assert reconcile_events(graph.lab, graph.instance, 0, after(timedelta())).waiting == 3
    found = reconcile_events(graph.lab, graph.instance, 0, after(SOON))
    assert (found.reported, found.waiting) == ({"alert_events": 2}, 0)


def test_a_process_that_was_killed_in_a_range_is_reported_by_the_next_looks(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home)], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert killed.returncode == 9, killed.stderr[-2_000:]
    lab = Lab(home)
    with dagster_instance(lab.paths.home) as instance:
        graph = SmallGraph(lab, instance)
        (run,) = instance.get_runs()
        assert not run.is_finished, "nobody told Dagster"
        assert reconcile_events(lab, instance, 0, after(SOON)).reported == {}
        found = reconcile_events(lab, instance, 0, after(LOST_AFTER + SOON))
        assert found.reported["alert_events"] >= 1
        assert set(graph.data_versions("alert_events")) == {FIRST, SECOND}
        assert reconcile_events(lab, instance, found.cursor, after(LOST_AFTER + SOON)).reported == {}


def test_one_look_reports_no_more_than_fits_and_the_next_goes_on(
    graph: SmallGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PER_LOOK", 2)
    for day in (FIRST, SECOND, THIRD):
        publish_events(graph.lab, day, 1.0)
    looks = [reconcile_events(graph.lab, graph.instance, 0, after(SOON)) for _ in range(2)]
    assert [(sum(found.reported.values()), found.cursor) for found in looks] == [(2, 0), (1, 3)]


def test_the_sensor_keeps_the_place_and_says_what_it_did(graph: SmallGraph, tmp_path: Path) -> None:
    def tick(home: Path, cursor: str | None) -> dg.SensorResult:
        resources = {"lab": LabResource(home=str(home))}
        with dg.build_sensor_context(instance=graph.instance, cursor=cursor, resources=resources) as context:
            result = reconcile_events_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    def reason(result: dg.SensorResult) -> str:
        return str(result.skip_reason and result.skip_reason.skip_message)

    assert "lake not found" in reason(tick(tmp_path / "nowhere", None))
    assert reason(tick(graph.lab.paths.home, None)) == "Dagster has been told of everything"
    crash(graph, FIRST)
    young = tick(graph.lab.paths.home, "0")
    assert (young.cursor, reason(young)) == ("0", "waiting for 2 that may still tell of what they published")
    assert not young.run_requests
