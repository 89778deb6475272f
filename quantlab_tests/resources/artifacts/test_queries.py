"""Listing and looking up, with values that try to be SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus
from quantlab_core.errors import ArtifactNotFoundError, InvalidInputError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_tests.resources.artifacts.lakes import free_request, new_store

HOSTILE = "'; DROP TABLE artifacts; --"


def listed(store: ParquetArtifactStore, **conditions: object) -> list[str]:
    return [a.logical_key for a in store.list_artifacts(ArtifactFilter(**conditions)).artifacts]  # type: ignore[arg-type]


def test_every_condition_narrows_the_list(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    for n in range(4):
        store.publish(free_request([n], key=f"of={n}", tags={"parity": "even" if n % 2 == 0 else "odd", "n": str(n)}))
    store.publish(free_request([9], type_="another"))
    store.tombstone(store.find_by_logical_key("outside", "of=3")[0].artifact_id, reason="wrong")
    assert listed(store, artifact_type="outside") == ["of=3", "of=2", "of=1", "of=0"]
    assert listed(store, artifact_type="outside", status=ArtifactStatus.ACTIVE) == ["of=2", "of=1", "of=0"]
    assert listed(store, tags={"parity": "even"}) == ["of=2", "of=0"]
    assert listed(store, tags={"parity": "even", "n": "0"}) == ["of=0"]
    assert listed(store, tags={"parity": "even", "n": "1"}) == []


def test_times_of_creation_limit_the_list_and_a_date_is_a_whole_day(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    created = store.publish(free_request([1])).artifact.created_at
    for lower, upper in [("2026-01-01", "2026-01-01"), (created, created), ("2025-12-31T23:00:00-01:00", None)]:
        assert len(listed(store, min_created_at=lower, max_created_at=upper)) == 1
    assert listed(store, max_created_at="2025-12-31") == []
    assert listed(store, min_created_at="2026-01-02") == []
    for bad in ("yesterday", "2026-01-01T00:00:00", "2026-13-01"):
        with pytest.raises(InvalidInputError):
            listed(store, min_created_at=bad)


def test_a_limit_says_whether_it_cut_the_list(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    store.publish_many([free_request([n], key=f"of={n}") for n in range(3)])
    for limit, count, is_cut in [(2, 2, True), (3, 3, False), (None, 3, False), (0, 0, True)]:
        found = store.list_artifacts(ArtifactFilter(limit=limit))
        assert (len(found.artifacts), found.is_cut) == (count, is_cut)
    with pytest.raises(InvalidInputError):
        store.list_artifacts(ArtifactFilter(limit=-1))


def test_a_batch_keeps_the_order_and_says_what_is_unknown(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    one, two = (store.publish(free_request([n], key=f"of={n}")).artifact for n in (1, 2))
    asked = [two.artifact_id, "nobody", one.artifact_id, two.artifact_id]
    assert store.get_artifacts(asked) == [two, None, one, two]
    assert store.get_artifacts([]) == []


def test_values_that_try_to_be_sql_are_only_values(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    known = store.publish(
        free_request([1], tags={HOSTILE: HOSTILE}, params={HOSTILE: HOSTILE}, run_id=HOSTILE, supersede_reason=HOSTILE)
    ).artifact_id
    assert listed(store, tags={HOSTILE: HOSTILE}) == ["of=1"]
    assert listed(store, artifact_type=HOSTILE) == []
    assert listed(store, tags={"' OR 1=1 --": "x"}) == []
    assert store.find_by_logical_key(HOSTILE, HOSTILE) == store.heads(HOSTILE, HOSTILE) == []
    with pytest.raises(ArtifactNotFoundError):
        store.get_artifact(HOSTILE)
    store.tombstone(known, reason=HOSTILE)
    assert store.get_artifact(known).status is ArtifactStatus.TOMBSTONED
