"""Runs over a range of days: what each partition's event says, what a failure leaves, what a retry does not repeat."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg
import pytest

from quantlab_core.errors import ConflictError, StorageError
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.dagster_io import publish_range
from quantlab_resources.dagster_io.earlier_attempts import PARENT_RUN_TAG
from quantlab_resources.dagster_io.materialization_metadata import set_hash
from quantlab_resources.dagster_io.range_progress import RangeProgress
from quantlab_resources.progress import PublishedUnit, listening
from quantlab_tests.resources.dagster_io.small_graph import FIRST, SECOND, THIRD, SmallGraph, publish_events

DAYS = (FIRST, SECOND, THIRD)
RANGE = (FIRST, THIRD)
EVENTS = "alerts_event_v1"


@pytest.fixture
def calls(graph: SmallGraph) -> list[str]:
    """The partitions that were computed, as ``asset[day]``; the feed has a call on each day."""
    graph.feed.mcap.update({FIRST: 1.0, SECOND: 2.0, THIRD: 3.0})
    computed: list[str] = []
    graph.feed.before = computed.append
    return computed


def failing(calls: list[str], *steps: str, error: Callable[[str], Exception] = ConflictError) -> Callable[[str], None]:
    def before(step: str) -> None:
        calls.append(step)
        if step in steps:
            raise error(f"{step} cannot be made")

    return before


def days_of(graph: SmallGraph) -> list[str]:
    return [head.logical_key.removeprefix("day=")[:10] for head in graph.lab.artifacts.heads(EVENTS)]


def runs_of(graph: SmallGraph) -> set[str | None]:
    return {publication.run_id for publication in graph.lab.artifacts.publications()}


def log_of(graph: SmallGraph, run_id: str) -> list[str]:
    return [record.user_message for record in graph.instance.all_logs(run_id) if record.dagster_event is None]


def test_each_partition_of_a_range_has_one_event_with_its_own_version_and_artifact(
    graph: SmallGraph, calls: list[str]
) -> None:
    graph.run("alert_events", "alerts", days=RANGE)
    for asset, artifact_type in (("alert_events", EVENTS), ("alerts", "alerts_v1")):
        events = graph.materializations(asset)
        assert [event.partition for event in events] == [*DAYS], "one event each, and none of Dagster's own beside it"
        for event in events:
            head = graph.head(artifact_type, f"day={event.partition}/")
            assert event.metadata["artifact_id"].value == head.artifact_id
            assert (event.tags or {})["dagster/data_version"] == head.content_hash
            assert (event.tags or {})["dagster/code_version"] == "3"


def test_one_bad_day_does_not_take_the_others_and_the_run_fails_naming_it(graph: SmallGraph, calls: list[str]) -> None:
    graph.feed.before = failing(calls, f"alert_events[{SECOND}]")
    result = graph.run("alert_events", "alerts", days=RANGE, raise_on_error=False)
    assert not result.success
    assert days_of(graph) == [FIRST, THIRD]
    assert set(graph.data_versions("alert_events")) == {FIRST, THIRD}
    assert graph.materializations("alerts") == [], "the steps behind it wait for the day"
    assert any(
        line.startswith(f"alert_events[{SECOND}] failed, nothing of it was published: ConflictError")
        for line in log_of(graph, result.run_id)
    )
    with pytest.raises(ConflictError, match="cannot be made") as raised:
        graph.run("alert_events", days=RANGE)
    (note,) = raised.value.__notes__
    assert note.startswith(f"alert_events: 1 days failed ({SECOND}); all others are published.")


def test_a_retried_run_does_what_is_missing_and_nothing_else(graph: SmallGraph, calls: list[str]) -> None:
    graph.feed.before = failing(calls, f"alert_events[{SECOND}]")
    failed = graph.run("alert_events", "alerts", days=RANGE, raise_on_error=False)
    calls.clear()
    graph.feed.before = calls.append
    retried = graph.run("alert_events", "alerts", days=RANGE, tags={PARENT_RUN_TAG: failed.run_id})
    assert calls == [f"alert_events[{SECOND}]", *(f"alerts[{day}]" for day in DAYS)]
    published = {p.run_id for p in graph.lab.artifacts.publications(graph.head(EVENTS, f"day={FIRST}/").artifact_id)}
    assert published == {failed.run_id}, "a finished day is not published again"
    for asset, artifact_type in (("alert_events", EVENTS), ("alerts", "alerts_v1")):
        assert graph.data_versions(asset) == {
            day: graph.head(artifact_type, f"day={day}/").content_hash for day in DAYS
        }
    assert any(
        "2 of 3 days were finished before and are not repeated" in line for line in log_of(graph, retried.run_id)
    )


def test_an_explicit_fresh_run_computes_all_and_publishes_nothing_new(graph: SmallGraph, calls: list[str]) -> None:
    first = graph.run("alert_events", days=RANGE)
    count = graph.artifact_count()
    for tags in ({}, {PARENT_RUN_TAG: first.run_id}):
        calls.clear()
        graph.run("alert_events", days=RANGE, tags=tags)
        assert calls == [f"alert_events[{day}]" for day in DAYS], "also one that repeats a run which succeeded"
    assert graph.artifact_count() == count
    assert graph.materializations("alert_events")[-1].metadata["new_artifacts"].value == 0


def test_a_run_that_was_killed_between_manifest_and_event_is_taken_up_where_it_died(
    graph: SmallGraph, calls: list[str]
) -> None:
    seen: list[str | None] = []

    def die(unit: PublishedUnit) -> None:
        seen.append(unit.partition)
        if unit.partition == SECOND:
            raise KeyboardInterrupt

    with listening(die), pytest.raises(KeyboardInterrupt):
        graph.run("alert_events", days=RANGE)
    (killed,) = {run_id for run_id in runs_of(graph) if run_id}
    assert days_of(graph) == [FIRST, SECOND]
    assert set(graph.data_versions("alert_events")) == {FIRST}, "the second day's event was lost"
    calls.clear()
    graph.run("alert_events", days=RANGE, tags={PARENT_RUN_TAG: killed})
    assert calls == [f"alert_events[{THIRD}]"]
    assert graph.data_versions("alert_events") == {day: graph.head(EVENTS, f"day={day}/").content_hash for day in DAYS}


def test_a_finished_day_is_done_again_when_what_it_was_made_from_or_its_result_was_replaced_since(
    graph: SmallGraph, calls: list[str]
) -> None:
    graph.run("alert_events", days=RANGE)
    graph.feed.before = failing(calls, f"alerts[{SECOND}]")
    failed = graph.run("alerts", days=RANGE, raise_on_error=False)
    publish_events(graph.lab, THIRD, 77.0)
    calls.clear()
    graph.feed.before = calls.append
    graph.run("alerts", days=RANGE, tags={PARENT_RUN_TAG: failed.run_id})
    assert calls == [f"alerts[{SECOND}]", f"alerts[{THIRD}]"]


def test_the_run_gives_up_when_the_fault_is_in_no_partition(
    graph: SmallGraph, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_range, "ALIKE_IN_A_ROW", 2)
    steps = [f"alert_events[{day}]" for day in DAYS]
    graph.feed.before = failing(calls, *steps)
    graph.run("alert_events", days=RANGE, raise_on_error=False)
    assert calls == steps[:2]
    calls.clear()
    graph.feed.before = failing(calls, *steps, error=StorageError)
    graph.run("alert_events", days=RANGE, raise_on_error=False)
    assert calls == steps[:1], "a disk that is full is full for the next day as well"


def test_progress_is_a_line_now_and_then_and_one_at_the_end() -> None:
    now = [0.0]
    said: list[str] = []
    progress = RangeProgress(said.append, "alerts", "days", 750, clock=lambda: now[0])
    for _ in range(750):
        now[0] += 0.125
        progress.done(artifacts=2, new=1)
    progress.end()
    assert said[0] == "alerts: 80 of 750 days, 160 artifacts, 80 new, 84 s left"
    assert said[-1] == "alerts: 750 of 750 days, 1,500 artifacts, 750 new in 94 s"
    assert len(said) == 10


def test_days_without_artifacts_are_reported_too_and_tried_again(graph: SmallGraph, calls: list[str]) -> None:
    del graph.feed.mcap[FIRST]
    graph.feed.before = failing(calls, f"alert_events[{THIRD}]")
    failed = graph.run("alert_events", days=RANGE, raise_on_error=False)
    assert graph.data_versions("alert_events")[FIRST] == set_hash([])
    calls.clear()
    graph.feed.before = calls.append
    graph.run("alert_events", days=RANGE, tags={PARENT_RUN_TAG: failed.run_id})
    assert calls == [f"alert_events[{FIRST}]", f"alert_events[{THIRD}]"]
    assert verify(graph.lab.artifacts).is_whole


def test_the_run_page_of_dagster_counts_every_partition_of_a_retried_run_as_materialized(
    graph: SmallGraph, calls: list[str]
) -> None:
    graph.feed.before = failing(calls, f"alert_events[{SECOND}]")
    failed = graph.run("alert_events", days=RANGE, raise_on_error=False)
    graph.feed.before = calls.append
    retried = graph.run("alert_events", days=RANGE, tags={PARENT_RUN_TAG: failed.run_id})
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("alert_events"))
    records = graph.instance.fetch_materializations(wanted, limit=20).records
    assert {record.partition_key for record in records if record.run_id == retried.run_id} == {*DAYS}
