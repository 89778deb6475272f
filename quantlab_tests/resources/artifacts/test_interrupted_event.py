"""An event beyond the manifest's last row: a crash before the commit, or a backup that was put back. Nothing that was
acknowledged is lost, no number is given twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from quantlab_core.errors import IntegrityError
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.events.event_files import event_path, read_event
from quantlab_resources.artifacts.manifest.manifest import Manifest
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.artifacts.eventful_lake import rows_of
from quantlab_tests.resources.artifacts.lakes import files_under, free_request, new_store

PENDING, RUNNING = ExperimentStatus.PENDING, ExperimentStatus.RUNNING


@contextmanager
def manifest_put_back(store: ParquetArtifactStore) -> Iterator[None]:
    """What the block publishes is in files and events, and not in the manifest."""
    store.close()
    backup = store.paths.home / "backup.sqlite"
    shutil.copy(store.paths.manifest_db, backup)
    yield
    store.close()
    shutil.move(backup, store.paths.manifest_db)


def fresh(store: ParquetArtifactStore) -> ParquetArtifactStore:
    return ParquetArtifactStore(store.paths, clock=store.clock)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_the_commit_that_a_crash_prevented_is_made_up_for_by_whoever_opens_the_lake(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    store.journal.append(ExperimentTransition("e1", PENDING))
    with manifest_put_back(store):
        new = store.publish_many([free_request([2])], transition=ExperimentTransition("e1", RUNNING))[0]
        whole = rows_of(store.paths.manifest_db)
    assert fresh(store).journal.latest("e1").status is RUNNING
    assert [head.artifact_id for head in store.heads("outside")] == [new.artifact_id]
    assert rows_of(store.paths.manifest_db) == whole
    assert recover(store).is_clean


def test_a_store_that_was_open_before_makes_up_for_it_before_it_writes(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    store.close()
    twin = ParquetArtifactStore(
        LakePaths.from_environment(copied_lake(tmp_path / "lake", tmp_path / "twin"), {}), clock=store.clock
    )
    lost = twin.publish(free_request([2])).artifact_id
    twin.close()
    assert store.last_sequence() == 1
    shutil.copytree(twin.paths.artifacts_root, store.paths.artifacts_root, dirs_exist_ok=True)
    shutil.copytree(twin.paths.events, store.paths.events, dirs_exist_ok=True)
    assert store.last_sequence() == 1, "it is open already and only reads"
    store.journal.append(ExperimentTransition("e1", PENDING))
    assert [head.artifact_id for head in store.heads("outside")] == [lost]
    assert [change["kind"] for change in read_event(store.paths.events, 3).changes] == ["experiment"]
    assert verify(store, deep=True).is_whole


def test_readers_without_the_files_leave_it_alone(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with manifest_put_back(store):
        store.publish(free_request([1]))
    before = files_under(store.paths.home)
    catalogue = ArtifactCatalogue(Manifest(store.paths, clock=store.clock), store.files)
    assert catalogue.heads("outside") == []
    catalogue.close()
    assert files_under(store.paths.home) == before
    assert len(fresh(store).heads("outside")) == 1


def test_publishing_the_same_again_after_the_crash_finds_it_there(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with manifest_put_back(store):
        first = store.publish(free_request([1]))
    again = store.publish(free_request([1]))
    assert (again.artifact_id, again.deduped, store.last_sequence()) == (first.artifact_id, True, 2)


def test_an_older_copy_of_the_manifest_is_never_published_over(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    kept = store.publish(free_request([1], key="of=kept")).artifact_id
    with manifest_put_back(store):
        for number in (2, 3):
            store.publish(free_request([number]))
        whole = rows_of(store.paths.manifest_db)
    before = {name: (store.paths.events / name).read_bytes() for name in files_under(store.paths.events)}
    old = fresh(store)
    assert [head.artifact_id for head in old.heads("outside")] == [kept], "reading goes on"
    for change in (
        lambda: old.publish(free_request([4])),
        lambda: old.journal.append(ExperimentTransition("e1", PENDING)),
        lambda: old.tombstone(kept, reason="wrong"),
        lambda: recover(old),
    ):
        with pytest.raises(IntegrityError, match="`quantlab lake rebuild-manifest` takes the later events in"):
            change()
    assert {name: (store.paths.events / name).read_bytes() for name in files_under(store.paths.events)} == before
    rebuild(old)
    assert rows_of(store.paths.manifest_db) == whole
    assert old.publish(free_request([4])).superseded_artifact_id is not None
    assert old.last_sequence() == 4


def test_an_event_whose_files_do_not_verify_stops_writers_until_recovery_sets_it_aside(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    with manifest_put_back(store):
        artifact = store.publish(free_request([2])).artifact
    flip(Path(artifact.path_parquet))
    event = event_path(store.paths.events, 2)
    data = event.read_bytes()
    with pytest.raises(IntegrityError, match="is damaged; nothing was changed; `quantlab lake recover` sets the event"):
        fresh(store).publish(free_request([3]))
    report = recover(store)
    assert report.events_set_aside == (store.paths.events / "set-aside" / event.name,)
    assert report.events_set_aside[0].read_bytes() == data
    assert set(report.orphans) == {artifact.path_parquet, artifact.path_sidecar}
    assert recover(store).is_clean
    store.publish(free_request([3]))
    assert store.last_sequence() == 2
    assert rebuild(store).events == 2


def test_a_damaged_event_beyond_the_manifest_is_set_aside_by_recovery_only(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with manifest_put_back(store):
        store.publish(free_request([1]))
    flip(event_path(store.paths.events, 1))
    with pytest.raises(IntegrityError, match="`quantlab lake recover` sets it aside"):
        store.publish(free_request([2]))
    assert len(recover(store).events_set_aside) == 1
    with manifest_put_back(store):
        store.publish(free_request([1]))
    flip(event_path(store.paths.events, 1))
    assert [path.name for path in recover(store).events_set_aside] == ["000000000001-1.json"]


def test_recovery_says_which_event_it_finished(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with manifest_put_back(store):
        store.publish(free_request([1]))
    report = recover(fresh(store))
    assert (report.finished_event, report.is_clean, report.orphans) == (1, False, ())
    assert len(store.heads("outside")) == 1


def write_number_one_twice(store: ParquetArtifactStore) -> None:
    with store.manifest.writing() as transaction:
        transaction.note("experiment")
        transaction.connection.execute("INSERT INTO events (seq, at, sha256) VALUES (1, '', '')")


def test_a_refused_commit_leaves_no_event(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with pytest.raises(apsw.ConstraintError):
        write_number_one_twice(store)
    assert files_under(store.paths.events) == []
