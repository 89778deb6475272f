"""Damaged files are moved aside, unless it looks like a bad disk, and publishing the same content heals."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_core.errors import ArtifactMissingError, ConflictError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.raw_files import archive_raw_file, raw_file_path
from quantlab_resources.artifacts.upkeep.artifact_check import ProblemKind
from quantlab_resources.artifacts.upkeep.last_verification import in_part
from quantlab_resources.artifacts.upkeep.quarantine import quarantine
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.artifacts.lakes import WRITER, files_under, free_request, new_store

MANY = 200
Filled = tuple[ParquetArtifactStore, list[str]]


def table_of(store: ParquetArtifactStore, artifact_id: str) -> Path:
    return Path(store.get_artifact(artifact_id).path_parquet)


def rot(path: Path, data: bytes = b"rotten") -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def filled(home: Path, number: int) -> Filled:
    """So many small artifacts, each made from the one before."""
    store = new_store(home)
    made: list[str] = []
    for value in range(number):
        made.append(store.publish(free_request([value], f"of={value}", input_artifact_ids=made[-1:])).artifact_id)
    return store, made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of `MANY` artifacts."""
    home = tmp_path_factory.mktemp("template") / "lake"
    store = new_store(home)
    store.publish_many([free_request([value], f"of={value}") for value in range(MANY)])
    store.close()
    return home


@pytest.fixture
def many(template: Path, tmp_path: Path) -> Filled:
    """A lake in which two failures are one percent."""
    store = new_store(copied_lake(template, tmp_path / "lake"))
    return store, [artifact.artifact_id for artifact in store.heads("outside")]


def set_aside(store: ParquetArtifactStore) -> dict[str, bytes]:
    folder = store.paths.quarantine / "damaged"
    return {name: (folder / name).read_bytes() for name in files_under(folder)}


def test_a_damaged_table_is_moved_with_its_bytes_and_healed_by_publishing_its_content(tmp_path: Path) -> None:
    store, (first, second, third) = filled(tmp_path, 3)
    good = table_of(store, second).read_bytes()
    rot(table_of(store, second))
    report = quarantine(store, verify(store))
    (moved,) = report.moved
    assert (moved.artifact_ids, moved.path) == ((second,), str(table_of(store, second)))
    assert Path(moved.kept_at).read_bytes() == b"rotten"
    assert Path(moved.kept_at).parent == store.paths.quarantine / "damaged"
    assert Path(moved.kept_at).name.startswith(second)
    assert [artifact.artifact_id for artifact in report.downstream] == [third]
    assert [problem.kind for problem in verify(store).problems] == [ProblemKind.MISSING]
    with pytest.raises(ArtifactMissingError):
        store.read(second)
    assert store.read(first).num_rows == 1
    assert store.publish(free_request([1], "of=1")).deduped
    assert table_of(store, second).read_bytes() == good
    assert verify(store, deep=True).is_whole


def test_a_file_that_is_damaged_twice_is_kept_twice(tmp_path: Path) -> None:
    store, (only,) = filled(tmp_path, 1)
    for data in (b"rotten", b"rotten again"):
        rot(table_of(store, only), data)
        assert len(quarantine(store, verify(store)).moved) == 1
        store.publish(free_request([0], "of=0"))
    assert sorted(set_aside(store).values()) == [b"rotten", b"rotten again"]


def test_a_damaged_raw_file_is_moved_and_healed_by_archiving_it_again(many: Filled, tmp_path: Path) -> None:
    store, _ = many
    source = tmp_path / "in.json"
    source.write_bytes(b"{}")
    owners = {archive_raw_file(store, source, kind, WRITER).artifact_id for kind in ("telegram_export", "candle_file")}
    (raw,) = store.paths.raw_files.iterdir()
    rot(raw)
    report = quarantine(store, verify(store))
    (moved,) = report.moved
    assert set(moved.artifact_ids) == owners
    assert report.healed == ()
    assert list(set_aside(store).values()) == [b"rotten"]
    assert not raw.exists()
    archive_raw_file(store, source, "telegram_export", WRITER)
    assert raw_file_path(store, raw.name).read_bytes() == b"{}"
    assert verify(store).is_whole


def test_wrong_content_is_moved_after_a_deep_verification(many: Filled) -> None:
    store, (first, second, *_) = many
    file_hash = store.get_artifact(second).file_hash
    with store.manifest.writing() as transaction:
        for hash_, artifact_id in (("x", second), (file_hash, first)):
            transaction.connection.execute(
                "UPDATE artifacts SET file_hash = ? WHERE artifact_id = ?", (hash_, artifact_id)
            )
        transaction.note("a change of the test's own")
    foreign = table_of(store, second).read_bytes()
    rot(table_of(store, first), foreign)
    report = verify(store, deep=True)
    kinds = {(problem.artifact_id, problem.kind) for problem in report.problems}
    assert {(first, ProblemKind.CONTENT), (second, ProblemKind.DAMAGED)} <= kinds
    moved = quarantine(store, report).moved
    assert {file.path for file in moved} == {str(table_of(store, first)), str(table_of(store, second))}
    assert list(set_aside(store).values()) == [foreign, foreign]


def test_sidecars_events_and_missing_files_are_reported_and_stay(tmp_path: Path) -> None:
    store, made = filled(tmp_path, 1)
    sidecar = Path(store.get_artifact(made[0]).path_sidecar)
    event = store.paths.events / "000000000001.json"
    rot(sidecar)
    rot(event)
    before = files_under(tmp_path)
    assert quarantine(store, verify(store)).moved == ()
    after = files_under(tmp_path)
    assert set(before) <= set(after) <= {*before, "manifest/writers.lock", "cache/_verification.json"}
    table_of(store, made[0]).unlink()
    assert quarantine(store, verify(store)).moved == ()


def test_nothing_is_moved_when_a_file_cannot_be_read(many: Filled) -> None:
    store, made = many
    rot(table_of(store, made[0]))
    unreadable = table_of(store, made[1])
    unreadable.unlink()
    unreadable.mkdir()
    with pytest.raises(ConflictError, match=rf"nothing was moved to quarantine: {unreadable} could not be read"):
        quarantine(store, verify(store))
    assert table_of(store, made[0]).read_bytes() == b"rotten"


@pytest.mark.parametrize(("failing", "is_moved"), [(2, True), (3, False)])
def test_nothing_is_moved_when_more_than_one_percent_failed(many: Filled, failing: int, is_moved: bool) -> None:
    store, made = many
    for artifact_id in made[:failing]:
        rot(table_of(store, artifact_id))
    report = verify(store)
    if is_moved:
        assert len(quarantine(store, report).moved) == failing
        return
    with pytest.raises(ConflictError, match=rf"{failing} of {MANY} artifacts failed, more than 1%"):
        quarantine(store, report)
    assert set_aside(store) == {}


def test_missing_files_count_as_failures_since_a_mount_that_is_gone_looks_like_that(tmp_path: Path) -> None:
    store, made = filled(tmp_path, 4)
    rot(table_of(store, made[0]))
    table_of(store, made[1]).unlink()
    with pytest.raises(ConflictError, match="2 of 4 artifacts failed"):
        quarantine(store, verify(store))


def test_what_was_adopted_damaged_is_no_news_about_the_disk(tmp_path: Path) -> None:
    store, made = filled(tmp_path, 4)
    with store.manifest.writing() as transaction:
        transaction.connection.executemany(
            "INSERT INTO adoptions (artifact_id, seq, was_head, file_check, content_check)"
            " VALUES (?, 1, 1, 'missing', 'unconfirmed')",
            ((artifact_id,) for artifact_id in made[:3]),
        )
        transaction.note("a change of the test's own")
    for artifact_id in made[:3]:
        table_of(store, artifact_id).unlink()
    rot(table_of(store, made[3]))
    assert len(quarantine(store, verify(store)).moved) == 1


def test_only_what_the_verification_has_checked_is_moved(many: Filled) -> None:
    store, made = many
    by_part = [next(id_ for id_ in made if in_part(id_, part, 2)) for part in (1, 2)]
    for artifact_id in by_part:
        rot(table_of(store, artifact_id))
    for part in (1, 2):
        (moved,) = quarantine(store, verify(store, subset=(part, 2))).moved
        assert moved.artifact_ids == (by_part[part - 1],)
        assert len(set_aside(store)) == part


def test_what_was_repaired_meanwhile_is_left_alone(tmp_path: Path) -> None:
    store, (only,) = filled(tmp_path, 1)
    good = table_of(store, only).read_bytes()
    rot(table_of(store, only))
    report = verify(store)
    rot(table_of(store, only), good)
    outcome = quarantine(store, report)
    assert (outcome.moved, outcome.healed, outcome.downstream) == ((), (only,), ())
    assert store.read(only).num_rows == 1


def test_a_disk_that_fails_at_the_second_look_stops_everything(tmp_path: Path) -> None:
    store, (only,) = filled(tmp_path, 1)
    rot(table_of(store, only))
    report = verify(store)
    table_of(store, only).unlink()
    table_of(store, only).mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        quarantine(store, report)


def test_old_files_of_a_lake_that_was_adopted_where_it_stood_are_never_moved(tmp_path: Path) -> None:
    store, (only,) = filled(tmp_path, 1)
    path = table_of(store, only)
    with store.manifest.writing() as transaction:
        transaction.connection.execute("UPDATE artifacts SET path_parquet = ?, published_seq = NULL", (str(path),))
        transaction.note("a change of the test's own")
    rot(path)
    outcome = quarantine(store, verify(store))
    assert outcome.moved == ()
    assert [problem.path for problem in outcome.left] == [str(path)]
    assert path.read_bytes() == b"rotten"


def test_a_quarantine_waits_for_publishers(tmp_path: Path) -> None:
    store, (only,) = filled(tmp_path, 1)
    rot(table_of(store, only))
    report = verify(store)
    with store.publishing(), pytest.raises(StorageError, match="others are publishing; nothing was moved"):
        quarantine(store, report, wait_s=0.05)
    assert set_aside(store) == {}
