"""A folder of artifacts belongs to one manifest: nobody else's clearing away reaches it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from quantlab_core.errors import ConflictError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import HandClock, files_under, free_request, new_store


def store_over(home: Path, artifacts_root: Path) -> ParquetArtifactStore:
    paths = LakePaths.from_environment(home, {"ARTIFACTS_ROOT": str(artifacts_root)})
    return ParquetArtifactStore.create(paths, clock=HandClock())


def refuse_everything(other: ParquetArtifactStore) -> None:
    for write in (
        lambda: other.publish(free_request([9])),
        lambda: recover(other),
        lambda: collect_garbage(other),
    ):
        with pytest.raises(ConflictError, match=r"belongs to the manifest .* an ARTIFACTS_ROOT of its own"):
            write()


def test_another_home_cannot_clear_away_the_artifacts_of_a_lake(tmp_path: Path) -> None:
    store = new_store(tmp_path / "one")
    store.publish(free_request([1]))
    refuse_everything(store_over(tmp_path / "other", store.paths.artifacts_root))
    assert verify(store).is_whole


def test_two_homes_cannot_share_a_folder_that_is_in_neither(tmp_path: Path) -> None:
    store = store_over(tmp_path / "one", tmp_path / "big" / "artifacts")
    store.publish(free_request([1]))
    refuse_everything(store_over(tmp_path / "other", tmp_path / "big" / "artifacts"))
    store.publish(free_request([2]))
    assert recover(store).is_clean
    assert verify(store).is_whole


def test_a_link_to_the_artifacts_of_another_lake_is_seen_through(tmp_path: Path) -> None:
    store = new_store(tmp_path / "one")
    store.publish(free_request([1]))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "artifacts").symlink_to(store.paths.artifacts_root)
    refuse_everything(new_store(tmp_path / "other"))


def test_a_lake_that_was_moved_keeps_its_artifacts(tmp_path: Path) -> None:
    store = store_over(tmp_path / "a" / "home", tmp_path / "a" / "big")
    store.publish(free_request([1]))
    store.close()
    (tmp_path / "a").rename(tmp_path / "b")
    moved = store_over(tmp_path / "b" / "home", tmp_path / "b" / "big")
    moved.publish(free_request([2]))
    moved.close()
    shutil.move(tmp_path / "b" / "big", tmp_path / "c")
    elsewhere = store_over(tmp_path / "b" / "home", tmp_path / "c")
    elsewhere.publish(free_request([3]))
    assert verify(elsewhere).is_whole
    refuse_everything(store_over(tmp_path / "other", tmp_path / "c"))


def test_the_usual_place_needs_no_mark(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    assert all(name.startswith("outside/") for name in files_under(store.paths.artifacts_root))
