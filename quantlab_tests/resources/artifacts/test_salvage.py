"""When events are lost: what a later collection, or a manifest that is empty, must not make of the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quantlab_core.errors import ConflictError
from quantlab_resources.artifacts.events.event_files import event_path, last_event_number
from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_resources.artifacts.upkeep.recovery import MOST_ORPHANS, recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.resources.artifacts.eventful_lake import rows_of
from quantlab_tests.resources.artifacts.lakes import free_request, new_store


def test_bytes_that_came_back_are_not_collected_again_when_the_event_that_says_so_is_lost(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    first = store.publish(free_request([1])).artifact_id
    store.publish(free_request([2]))
    collect_garbage(store)
    store.publish(free_request([1]))
    lost = event_path(store.paths.events, last_event_number(store.paths.events))
    store.publish(free_request([2]))
    store.publish(free_request([1]))
    lost.unlink()
    rebuild(store, salvage=True)
    collect_garbage(store)
    assert [head.artifact_id for head in store.heads("outside")] == [first]
    assert store.read(first).num_rows == 1
    assert verify(store, deep=True).is_whole


def test_what_was_collected_is_no_head_when_the_event_that_replaced_it_is_lost(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    second = store.publish(free_request([2])).artifact_id
    lost = event_path(store.paths.events, last_event_number(store.paths.events))
    collect_garbage(store)
    lost.unlink()
    assert rebuild(store, salvage=True).salvage
    assert [head.artifact_id for head in store.heads("outside")] == [second]
    assert store.read(second).num_rows == 1
    before = rows_of(store.paths.manifest_db)
    rebuild(store)
    assert rows_of(store.paths.manifest_db) == before


def test_a_new_empty_manifest_over_old_artifacts_sends_none_to_quarantine_and_can_take_them_in(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    requests = [free_request([number], f"of={number}") for number in range(MOST_ORPHANS + 1)]
    made = [result.artifact_id for result in store.publish_many(requests)]
    store.close()
    shutil.rmtree(store.paths.manifest_db.parent)
    again = new_store(tmp_path / "lake")
    with pytest.raises(ConflictError, match=r"101 artifacts without a row, .* none was moved; .*--salvage"):
        recover(again)
    rebuild(again, salvage=True)
    assert {head.artifact_id for head in again.heads("outside")} == set(made)
    assert verify(again, deep=True).is_whole
    assert recover(again).is_clean


def test_a_salvage_of_a_lake_that_lost_nothing_changes_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    before = rows_of(store.paths.manifest_db)
    rebuild(store, salvage=True)
    assert rows_of(store.paths.manifest_db) == before
