"""The manifest is made anew from its events, equal row for row; what is lost is named and never guessed silently."""

from __future__ import annotations

import gc
import hashlib
import random
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from quantlab_core.artifacts.artifact import ArtifactFilter, ArtifactStatus
from quantlab_core.errors import ConflictError, IntegrityError, InvalidInputError, LakeNotFoundError, StorageError
from quantlab_core.experiments.experiment import ExperimentStatus, ExperimentTransition
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.events.event_files import event_path, last_event_number
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake
from quantlab_tests.resources.artifacts.eventful_lake import eventful_lake, rows_of
from quantlab_tests.resources.artifacts.lakes import HandClock, files_under, free_request, new_store


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home of a lake in which everything happened; to be copied."""
    home = tmp_path_factory.mktemp("eventful") / "lake"
    eventful_lake(home).close()
    return home


@pytest.fixture
def store(eventful: Path, tmp_path: Path) -> ParquetArtifactStore:
    home = copied_lake(eventful, tmp_path / "lake")
    return reopened(home)


def reopened(home: Path) -> ParquetArtifactStore:
    return ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=HandClock())


def manifest_files(store: ParquetArtifactStore) -> list[str]:
    return [name for name in files_under(store.paths.manifest_db.parent) if not name.startswith("events")]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_rebuilt_manifest_is_equal_row_for_row_in_every_table(store: ParquetArtifactStore) -> None:
    before = rows_of(store.paths.manifest_db)
    assert all(rows for table, rows in before.items() if table not in EMPTY_HERE), "a table without rows proves nothing"
    told: list[tuple[int, int]] = []
    report = rebuild(store, progress=lambda done, total: told.append((done, total)))
    assert rows_of(store.paths.manifest_db) == before
    assert (report.events, report.artifacts) == (len(before["events"]), len(before["artifacts"]))
    assert (report.lost, report.salvage, report.left_out_event, report.differing) == ((), None, None, 0)
    assert told == [(n, 2 * report.events) for n in range(1, 2 * report.events + 1)]
    assert verify(store, deep=True).events_checked == report.events
    assert recover(store).is_clean
    assert store.publish(free_request([99], key="of=next")).artifact.row_count == 1
    assert last_event_number(store.paths.events) == report.events + 1


EMPTY_HERE = {"adoptions"}


@pytest.mark.parametrize("forgetful", ["head", "publication", "tombstone", "collection", "experiment", "artifact"])
def test_a_change_that_is_not_noted_makes_the_comparison_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgetful: str
) -> None:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

    noted = ManifestTransaction.note

    def forgets(self: ManifestTransaction, kind: str, **values: object) -> dict[str, object]:
        change = noted(self, kind, **values)
        if kind == forgetful and self.seq > 12:
            self._changes.remove(change)
            self._changes.append({"kind": "loss", "events": []})  # an event with nothing in it would not be written
        return change

    monkeypatch.setattr(ManifestTransaction, "note", forgets)
    store = eventful_lake(tmp_path / "lake")
    store.close()
    before = rows_of(store.paths.manifest_db)
    try:
        rebuild(store)
    except IntegrityError:
        return  # the rows do not even fit together
    assert rows_of(store.paths.manifest_db) != before


def bit_flips(path: Path) -> None:
    data, chance = bytearray(path.read_bytes()), random.Random(7)
    for _ in range(200):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def truncation(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def emptiness(path: Path) -> None:
    path.write_bytes(b"")


def another_format(path: Path) -> None:
    path.write_bytes(b"no database, " * 1000)


def deletion(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("ruin", [bit_flips, truncation, emptiness, another_format, deletion])
def test_the_old_manifest_is_not_needed_and_is_kept_as_it_was(
    store: ParquetArtifactStore, ruin: Callable[[Path], None]
) -> None:
    before = rows_of(store.paths.manifest_db)
    ruin(store.paths.manifest_db)
    ruined = store.paths.manifest_db.read_bytes() if store.paths.manifest_db.exists() else None
    report = rebuild(store)
    assert rows_of(store.paths.manifest_db) == before
    assert (report.previous.read_bytes() if report.previous else None) == ruined
    assert verify(store).is_whole


@pytest.mark.parametrize("ruin", [emptiness, deletion])
def test_a_manifest_that_is_gone_is_not_made_empty_while_its_events_are_there(
    store: ParquetArtifactStore, ruin: Callable[[Path], None]
) -> None:
    before = rows_of(store.paths.manifest_db)
    events = files_under(store.paths.events)
    ruin(store.paths.manifest_db)
    for attempt in (
        lambda: ParquetArtifactStore.create(store.paths, clock=store.clock),
        lambda: store.publish(free_request([1])),
        lambda: store.heads("outside"),
    ):
        with pytest.raises(IntegrityError, match="`quantlab lake rebuild-manifest` makes it anew"):
            attempt()
    assert files_under(store.paths.events) == events
    rebuild(store)
    assert rows_of(store.paths.manifest_db) == before


def test_the_former_manifest_comes_back_with_the_command_that_the_report_names(store: ParquetArtifactStore) -> None:
    store.publish(free_request([99], key="of=in_the_wal"))
    before = rows_of(store.paths.manifest_db)
    report = rebuild(store)
    store.close()
    assert report.previous is not None
    assert report.undo is not None
    identity = report.previous.stat().st_ino
    subprocess.run(report.undo, shell=True, check=True)  # noqa: S602 - it is a shell command
    assert store.paths.manifest_db.stat().st_ino == identity
    assert manifest_files(store) == ["manifest.sqlite", "writers.lock"]
    assert rows_of(store.paths.manifest_db) == before


def test_a_store_that_is_open_meanwhile_goes_on_with_the_new_manifest(store: ParquetArtifactStore) -> None:
    other, reader = reopened(store.paths.home), reopened(store.paths.home)
    other.publish(free_request([98], key="of=before"))
    with reader.manifest.reading() as connection:
        report = rebuild(store)
        assert connection.execute("SELECT count(*) FROM events").get == report.events
        new = other.publish(free_request([99], key="of=after"))
    reader.close()  # the last to let go of the old file: the new one's WAL must survive that
    other.publish(free_request([100], key="of=after"))
    assert [head.row_count for head in reader.heads("outside", "of=after")] == [1]
    assert reader.get_artifact(new.artifact_id).status is ArtifactStatus.SUPERSEDED
    for each in (other, reader, store):
        each.close()
    assert verify(reopened(store.paths.home)).is_whole
    with pytest.raises(LakeNotFoundError):
        rebuild(reopened(store.paths.home / "nowhere"))


def test_publishers_keep_a_rebuild_waiting(store: ParquetArtifactStore) -> None:
    with reopened(store.paths.home).publishing(), pytest.raises(StorageError, match="others are publishing"):
        rebuild(store, wait_s=0.05)


def test_a_rebuild_into_a_file_leaves_the_lake_alone(store: ParquetArtifactStore, tmp_path: Path) -> None:
    before, files = rows_of(store.paths.manifest_db), files_under(store.paths.home)
    report = rebuild(store, output=tmp_path / "other.sqlite")
    assert (report.manifest, report.previous, report.undo) == (tmp_path / "other.sqlite", None, None)
    assert rows_of(tmp_path / "other.sqlite") == before
    store.close()
    assert set(files_under(store.paths.home)) <= {*files, "manifest/writers.lock"}
    with pytest.raises(ConflictError, match="exists"):
        rebuild(store, output=tmp_path / "other.sqlite")
    with pytest.raises(InvalidInputError, match="leave the file out"):
        rebuild(store, output=tmp_path / "third.sqlite", salvage=True)


def test_missing_and_damaged_events_are_named_and_nothing_is_changed(store: ParquetArtifactStore) -> None:
    events = store.paths.events
    for seq in (3, 4, 9):
        event_path(events, seq).unlink()
    damage(event_path(events, 6))
    shutil.copy(event_path(events, 7), events / "copy")
    event_path(events, 11).chmod(0o644)
    shutil.copy(event_path(events, 10), event_path(events, 11))
    before, files = rows_of(store.paths.manifest_db), files_under(store.paths.home)
    with pytest.raises(
        IntegrityError,
        match=r"events 3 to 4 missing, event 6 damaged, event 9 missing, event 11 dam.*keep the manifest: it is whole",
    ):
        rebuild(store)
    assert rows_of(store.paths.manifest_db) == before
    assert files_under(store.paths.home) == files
    last = last_event_number(events)
    event_path(events, last).unlink()
    with pytest.raises(IntegrityError, match=f"event {last} missing"):
        rebuild(store)


def test_what_is_lost_is_salvaged_from_sidecars_and_the_rest_is_named(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    first = store.publish(free_request([1], key="of=corrected")).artifact_id
    second = store.publish(free_request([2], key="of=corrected")).artifact_id
    only = store.publish(
        free_request([3], key="of=only", tags={"k": "v"}, run_id="r", params={"n": 1}, input_artifact_ids=[first])
    ).artifact_id
    withdrawn = store.publish(free_request([4], key="of=withdrawn")).artifact_id
    store.tombstone(withdrawn, reason="wrong")
    gone = store.publish(free_request([5], key="of=gone")).artifact
    after = store.publish(free_request([6], key="of=after", input_artifact_ids=[gone.artifact_id])).artifact_id
    rotten = store.publish(free_request([7], key="of=rotten")).artifact
    store.publish(free_request([3], key="of=only", tags={"again": "yes"}, run_id="r2"))
    before = statuses(store)
    published, again = store.publications(only)
    for lost in (1, 3, 4, 6, 8):
        event_path(store.paths.events, lost).unlink()
    Path(gone.path_parquet).unlink()
    Path(gone.path_sidecar).unlink()
    damage(Path(rotten.path_parquet))
    store.close()
    bit_flips(store.paths.manifest_db)
    with pytest.raises(
        IntegrityError, match="event 1 missing, events 3 to 4 missing, event 6 missing, event 8 missing; n"
    ):
        rebuild(store)
    report = rebuild(store, salvage=True)
    assert [str(gap) for gap in report.lost] == [
        *("event 1 missing", "events 3 to 4 missing", "event 6 missing", "event 8 missing"),
    ]
    assert report.salvage is not None
    assert (report.salvage.artifacts, report.salvage.heads) == (3, 1)
    assert [rotten.path_sidecar in words for words in report.salvage.refused] == [True]
    assert statuses(store) == {
        id_: status for id_, status in before.items() if id_ not in (gone.artifact_id, rotten.artifact_id)
    }
    assert [head.artifact_id for head in store.heads("outside")] == [after, second, only]
    assert store.publications(only) == [again, replace(published, at=store.get_artifact(only).created_at)]
    for tag in ({"k": "v"}, {"again": "yes"}):
        assert [a.artifact_id for a in store.list_artifacts(ArtifactFilter(tags=tag)).artifacts] == [only]
    assert [a.artifact_id for a in store.get_lineage(only).inputs] == [first]
    assert store.get_lineage(after).inputs == (), "nothing describes its input any more"
    assert report.salvage.rows_left_out == 2
    rows = rows_of(store.paths.manifest_db)
    assert rebuild(store).lost == ()
    assert rows_of(store.paths.manifest_db) == rows, "what was decided is in events of its own"
    assert verify(store).is_whole


def test_a_lake_without_any_event_can_be_salvaged(store: ParquetArtifactStore) -> None:
    before = store.publications()
    shutil.rmtree(store.paths.events)
    store.close()
    store.paths.manifest_db.unlink()
    with pytest.raises(IntegrityError, match="holds no event"):
        rebuild(store)
    report = rebuild(store, salvage=True)
    assert report.artifacts == len({record.artifact_id for record in before})
    assert verify(store, deep=True).is_whole


def statuses(store: ParquetArtifactStore) -> dict[str, ArtifactStatus]:
    return {a.artifact_id: a.status for a in store.list_artifacts(ArtifactFilter(limit=None)).artifacts}


def test_numbers_never_go_backwards_after_a_loss(store: ParquetArtifactStore) -> None:
    last = last_event_number(store.paths.events)
    damage(event_path(store.paths.events, last))
    store.paths.manifest_db.unlink()
    store.close()
    rebuild(store, salvage=True)
    assert store.last_sequence() > last
    damaged = event_path(store.paths.events, last).read_bytes()
    store.publish(free_request([99], key="of=next"))
    assert event_path(store.paths.events, last).read_bytes() == damaged
    assert rebuild(store).lost == ()


def test_the_last_event_counts_without_the_manifest_if_its_files_verify(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    artifact = store.publish(free_request([2])).artifact
    store.close()
    store.paths.manifest_db.unlink()
    good = Path(artifact.path_parquet).read_bytes()
    damage(Path(artifact.path_parquet))
    report = rebuild(store)
    assert (report.events, report.left_out_event) == (1, event_path(store.paths.events, 2))
    with pytest.raises(IntegrityError, match="`quantlab lake recover` sets the event aside"):
        store.publish(free_request([3]))
    Path(artifact.path_parquet).write_bytes(good)
    assert store.heads("outside")[0].row_count == 1
    assert rebuild(store).events == 2
    assert store.heads("outside")[0].artifact_id == artifact.artifact_id


def test_an_event_that_is_known_to_be_committed_counts_whatever_became_of_its_files(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    artifact = store.publish(free_request([1])).artifact
    damage(Path(artifact.path_parquet))
    before = rows_of(store.paths.manifest_db)
    assert rebuild(store).left_out_event is None
    assert rows_of(store.paths.manifest_db) == before


def test_sidecars_that_differ_are_named_and_do_not_stop_a_rebuild(store: ParquetArtifactStore) -> None:
    artifact = store.heads("outside")[0]
    Path(artifact.path_sidecar).unlink()
    report = rebuild(store)
    assert (report.differing, report.sidecars_that_differ) == (1, (artifact.path_sidecar,))


def test_a_swap_that_was_cut_short_leaves_an_older_copy_that_is_noticed(eventful: Path, tmp_path: Path) -> None:
    """The WAL was moved aside and the process ended: what stood in it alone is in the events."""
    store = reopened(copied_lake(eventful, tmp_path / "lake"))
    for number in (98, 99):
        store.publish(free_request([number], key="of=in_the_wal"))
    left = copied_lake(store.paths.home, tmp_path / "left")  # the store is open: its WAL was not taken in
    before = rows_of(store.paths.manifest_db)
    store.close()
    cut_short = reopened(left)
    cut_short.paths.manifest_db.with_name("manifest.sqlite-wal").rename(
        cut_short.paths.manifest_db.with_name("manifest-20260101T000000Z.sqlite-wal")
    )
    cut_short.paths.manifest_db.with_name("manifest.sqlite-shm").unlink()
    with pytest.raises(IntegrityError, match="it is an older copy"):
        cut_short.publish(free_request([100]))
    rebuild(cut_short)
    assert rows_of(cut_short.paths.manifest_db) == before


def test_memory_does_not_grow_with_the_number_of_events(tmp_path: Path) -> None:
    peaks = []
    for number, events in enumerate((30, 300)):
        store = new_store(tmp_path / str(number))
        for name in range(events):
            store.journal.append(ExperimentTransition(f"e{name}", ExperimentStatus.PENDING))
        store.close()
        gc.collect()
        gc.freeze()  # what earlier tests left must not put off the collection of what this rebuild lets go of
        gc.collect()
        tracemalloc.start()
        rebuild(store)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        gc.unfreeze()
    assert peaks[1] < peaks[0] + 27_000, "ten times the events, and not 100 bytes for each of them"


def test_artifacts_that_the_earlier_writer_added_are_not_dropped_silently(store: ParquetArtifactStore) -> None:
    connection = apsw.Connection(str(store.paths.manifest_db))
    connection.execute(
        "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, path_parquet, path_sidecar,"
        " file_hash, content_hash, row_count) VALUES ('x', 'alerts_v1', 1, 'day=2025-05-01', 'p', 's', 'f', 'c', 1)"
    )
    connection.close()
    with pytest.raises(ConflictError, match=r"has 1 artifacts .* `quantlab lake recover` takes them over"):
        rebuild(store)
    assert rebuild(store, salvage=True).artifacts_left_out == 1


@pytest.mark.parametrize("salvage", [False, True])
def test_a_manifest_that_does_not_follow_from_our_events_is_left_as_it_is(tmp_path: Path, salvage: bool) -> None:
    small_earlier_lake(tmp_path / "earlier", minutes=1)
    store = reopened(tmp_path / "earlier")
    before = rows_of_any(store.paths.manifest_db)
    with pytest.raises(LakeNotFoundError, match="belongs to the earlier store and stays as it is"):
        rebuild(store, salvage=salvage)
    newer = new_store(tmp_path / "newer")
    newer.publish(free_request([1]))
    with apsw.Connection(str(newer.paths.manifest_db)) as manifest:
        manifest.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (99, '')")
    with pytest.raises(ConflictError, match="made by a newer quantlab"):
        rebuild(newer, salvage=salvage)
    assert rows_of_any(store.paths.manifest_db) == before
    assert [len(list(s.paths.manifest_db.parent.glob("*.sqlite"))) for s in (store, newer)] == [1, 1]


def rows_of_any(manifest: Path) -> list[object]:
    with apsw.Connection(str(manifest), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        return list(connection.execute("SELECT * FROM artifacts ORDER BY artifact_id"))


def test_a_sidecar_that_claims_another_id_is_refused_and_does_not_stop_a_salvage(store: ParquetArtifactStore) -> None:
    claims = Path(store.publish(free_request([99], key="of=claims")).artifact.path_sidecar)
    body = claims.read_bytes()
    fields = body[: body.rindex(b', "checksum"')].replace(b'"artifact_id": "', b'"artifact_id": "f', 1)
    claims.chmod(0o644)
    claims.write_bytes(fields + b', "checksum": "sha256:' + hashlib.sha256(fields).hexdigest().encode() + b'"}\n')
    event_path(store.paths.events, store.last_sequence()).unlink()
    report = rebuild(store, salvage=True)
    assert report.salvage is not None
    assert report.salvage.refused == (f"{claims} names an artifact id that does not follow from its content",)
    assert store.find_by_logical_key("outside", "of=claims") == []


def test_an_output_never_takes_the_place_of_something_or_lies_among_artifacts(
    store: ParquetArtifactStore, tmp_path: Path
) -> None:
    own = tmp_path / "new.sqlite.partial"
    own.write_text("the caller's")
    with pytest.raises(ConflictError, match=r"new.sqlite.partial exists; nothing was changed"):
        rebuild(store, output=tmp_path / "new.sqlite")
    assert own.read_text() == "the caller's"
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConflictError, match="link exists"):
        rebuild(store, output=tmp_path / "link")
    for folder in (store.paths.events, store.paths.artifacts_root):
        with pytest.raises(InvalidInputError, match="is among the lake's own files; nothing was changed"):
            rebuild(store, output=folder / "999999999999.json")
    with pytest.raises(InvalidInputError, match=r"there is no folder .*none; nothing was changed"):
        rebuild(store, output=tmp_path / "none" / "new.sqlite")
