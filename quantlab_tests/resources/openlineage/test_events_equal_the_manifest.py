"""What goes out as OpenLineage is what the manifest says: no edge, publication or change more or less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact import PublishRequest
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.errors import IntegrityError
from quantlab_core.lineage.openlineage_events import MOST_OUTPUTS
from quantlab_resources.adoption.adopt_rows import adopt_pending
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.events.event_files import event_path
from quantlab_resources.artifacts.manifest.manifest_transaction import NewArtifact, Publication
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake
from quantlab_tests.resources.adoption.lakes_before_and_after import adopted
from quantlab_tests.resources.artifacts.eventful_lake import eventful_lake
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request, new_store, slice_request
from quantlab_tests.resources.artifacts.test_schema_2_lakes import made_older
from quantlab_tests.resources.openlineage.openlineage_rules import breaches
from quantlab_tests.resources.openlineage.received_lineage import Event, edges, received, recorded, waiting_events


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> ParquetArtifactStore:
    return eventful_lake(tmp_path_factory.mktemp("eventful") / "lake")


@pytest.fixture
def store(tmp_path: Path) -> ParquetArtifactStore:
    return new_store(tmp_path / "lake")


def told(store: ParquetArtifactStore) -> list[Event]:
    return waiting_events(store, store.paths)


def rows_without_files(store: ParquetArtifactStore, number: int) -> list[str]:
    """Ids of so many artifacts of which there is nothing but the rows: files would take half a minute."""
    one = store.publish(free_request([0], key="of=model")).artifact
    copies = [
        replace(one, artifact_id=f"{one.artifact_id}-{n}", logical_key=f"of={n}", content_hash=f"{n}", file_hash=f"{n}")
        for n in range(number)
    ]
    told = Publication(WRITER, None, {}, [], {}, "new")
    with store.manifest.writing() as transaction:
        transaction.publish_all([(NewArtifact(copy, 1), told) for copy in copies])
    return [copy.artifact_id for copy in copies]


def changes(events: list[Event]) -> list[tuple[str, str | None, dict[str, object]]]:
    """(logical key, lifecycle, what was superseded or withdrawn) of all datasets that changed by hand."""
    return [
        (
            event["dataset"]["facets"]["quantlab_artifact"]["logicalKey"],
            event["dataset"]["facets"].get("lifecycleStateChange", {}).get("lifecycleStateChange"),
            {k: v for k, v in event["dataset"]["facets"]["quantlab_supersession"].items() if not k.startswith("_")},
        )
        for event in events
        if "dataset" in event
    ]


def test_the_events_of_a_lake_in_which_everything_happened_are_its_publications(eventful: ParquetArtifactStore) -> None:
    events = told(eventful)
    assert received(events) == recorded(eventful)
    manifest = {(i, p.artifact_id) for p in eventful.publications() for i in p.input_artifact_ids}
    assert set(edges(events)) == manifest


def test_every_event_keeps_the_rules_of_the_specification(eventful: ParquetArtifactStore) -> None:
    assert [breaches(event) for event in told(eventful)] == [[]] * len(told(eventful))


def test_the_same_lake_gives_the_same_events_and_every_run_an_id_of_its_own(eventful: ParquetArtifactStore) -> None:
    events = told(eventful)
    assert events == told(eventful)
    runs = [event["run"]["runId"] for event in events if "run" in event]
    assert len(set(runs)) == len(runs)


def test_what_is_replaced_and_withdrawn_is_said_with_its_reason(eventful: ParquetArtifactStore) -> None:
    def id_of(key: str) -> str:
        return eventful.find_by_logical_key("outside", key)[0].artifact_id

    shadow, later = sorted(eventful.find_by_logical_key("outside", "of=shadow"), key=lambda a: a.created_at)
    assert changes(told(eventful)) == [
        (
            "of=right",
            "OVERWRITE",
            {"change": "superseded", "supersedesArtifactId": id_of("of=wrong"), "reason": "the key was misspelt"},
        ),
        (
            "of=wrong",
            "DROP",
            {"change": "superseded", "supersededByArtifactId": id_of("of=right"), "reason": "the key was misspelt"},
        ),
        ("of=gone", "DROP", {"change": "withdrawn", "reason": "source was faked"}),
        ("of=back", "DROP", {"change": "withdrawn", "reason": "source was thought to be faked"}),
        ("of=shadow", "DROP", {"change": "withdrawn", "reason": "too early"}),
    ]
    assert later.status.value == "tombstoned"
    assert shadow.status.value == "active"


def test_a_publication_says_whose_place_it_took(store: ParquetArtifactStore) -> None:
    first = store.publish(free_request([1])).artifact_id
    second = store.publish(free_request([2], supersede_reason="corrected")).artifact_id
    store.publish(free_request([2]))
    store.publish(free_request([1], supersede_reason="the correction was wrong"))
    store.tombstone(first, reason="all wrong")
    store.publish(free_request([1], revive=True))
    lifecycle, places = [], []
    for event in told(store):
        facets = event["outputs"][0]["facets"] if "outputs" in event else event["dataset"]["facets"]
        lifecycle.append(facets.get("lifecycleStateChange", {}).get("lifecycleStateChange"))
        place = facets.get("quantlab_supersession", {})
        places.append((place.get("change"), place.get("supersedesArtifactId"), place.get("reason")))
    assert lifecycle == ["CREATE", "OVERWRITE", None, "OVERWRITE", "DROP", "CREATE"]
    assert places == [
        (None, None, None),
        ("superseded", first, "corrected"),
        (None, None, None),
        ("superseded", second, "the correction was wrong"),
        ("withdrawn", None, "all wrong"),
        ("revived", None, "withdrawn content published again"),
    ]


def test_outputs_of_one_transaction_share_a_run_only_if_they_share_every_input(store: ParquetArtifactStore) -> None:
    """Worked by hand: a and b come from x, c from y, d from nothing: three runs, and no edge from x to c."""
    x, y = (store.publish(free_request([n], key=f"of={n}")).artifact_id for n in (1, 2))
    made = [("a", [x]), ("b", [x]), ("c", [y]), ("d", [])]
    store.publish_many(
        [free_request([n], key=f"of={k}", input_artifact_ids=i) for n, (k, i) in enumerate(made, start=3)]
    )
    last = told(store)[2:]
    keys = [[o["facets"]["quantlab_artifact"]["logicalKey"] for o in event["outputs"]] for event in last]
    assert keys == [["of=a", "of=b"], ["of=c"], ["of=d"]]
    assert received(told(store)) == recorded(store)


def test_a_set_of_4_000_members_is_one_dataset_to_whatever_is_made_from_it(store: ParquetArtifactStore) -> None:
    members = rows_without_files(store, 4_000)
    frozen = store.publish(
        PublishRequest(
            ARTIFACT_SET.name, 1, "of=alerts/selection=all", ARTIFACT_SET.schema.empty_table(), WRITER,
            input_artifact_ids=members,
        )
    ).artifact_id  # fmt: skip
    store.publish_many([free_request([n], key=f"of=out{n}", input_artifact_ids=[frozen]) for n in range(4)])
    events = told(store)
    assert [len(event["outputs"]) for event in events] == [1, *[MOST_OUTPUTS] * 8, 1, 4]
    assert [taken["facets"]["quantlab_artifact"]["artifactId"] for taken in events[-1]["inputs"]] == [frozen]
    assert {taken["facets"]["quantlab_artifact"]["artifactId"] for taken in events[-2]["inputs"]} == set(members)
    assert received(events) == recorded(store)


def test_what_was_adopted_is_told_with_the_lineage_that_the_earlier_store_knew(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path, minutes=2)
    with adopted(tmp_path) as (store, _):
        adopt_pending(store)
        events = told(store)
        assert [breaches(event) for event in events] == [[]] * len(events)
        with store.manifest.reading() as connection:
            manifest = set(connection.execute("SELECT input_artifact_id, artifact_id FROM artifact_lineage"))
            taken_over = {row[0] for row in connection.execute("SELECT artifact_id FROM adoptions")}
        assert set(edges(events)) == manifest
        adoptions = [event for event in events if event["run"]["facets"]["quantlab_log"]["kind"] == "adoption"]
        outputs = [o["facets"]["quantlab_artifact"]["artifactId"] for event in adoptions for o in event["outputs"]]
        assert sorted(outputs) == sorted(taken_over)
        assert manifest
        assert taken_over


def test_events_that_were_written_before_they_held_whole_artifacts_tell_the_same(tmp_path: Path) -> None:
    store = eventful_lake(tmp_path / "lake")
    by_hand = changes(told(store))
    assert made_older(store) > 0
    assert received(told(store)) == recorded(store)
    assert changes(told(store)) == by_hand


def test_a_damaged_event_file_stops_the_sending_and_says_what_to_do(store: ParquetArtifactStore) -> None:
    store.publish(slice_request([1.0]))
    path = event_path(store.paths.events, 1)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"deduped":false', b'"deduped":true '))
    with pytest.raises(IntegrityError, match="restore it from a backup"):
        told(store)
