"""Whatever is not as the manifest says is found, and nothing else is called damaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.errors import ArtifactDamagedError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_resources.artifacts.upkeep.artifact_check import ProblemKind
from quantlab_resources.artifacts.upkeep.last_verification import last_verification
from quantlab_resources.artifacts.upkeep.manifest_rebuild import rebuild
from quantlab_resources.artifacts.upkeep.verification import VerificationReport, verify
from quantlab_tests.resources.artifacts.lakes import WRITER, free_request, new_store, slice_request

Verify = Callable[[], VerificationReport]


class Lake:
    """A raw file, a slice made from it, and a table made from the slice."""

    def __init__(self, folder: Path) -> None:
        self.store = new_store(folder / "lake")
        self.export = folder / "in.json"
        self.export.write_bytes(b'{"messages": []}' * 20)
        self.raw = archive_raw_file(self.store, self.export, "telegram_export", WRITER).artifact_id
        request = slice_request([1.0, 2.0], input_artifact_ids=[self.raw], tags={"a": "b"}, params={"c": 1})
        self.made = self.store.publish(request).artifact_id
        self.top = self.store.publish(free_request([1], input_artifact_ids=[self.made])).artifact_id
        self.raw_path = next(self.store.paths.raw_files.iterdir())

    def table(self, artifact_id: str) -> Path:
        return Path(self.store.get_artifact(artifact_id).path_parquet)

    def sidecar(self, artifact_id: str) -> Path:
        return Path(self.store.get_artifact(artifact_id).path_sidecar)

    def set(self, artifact_id: str, **columns: Any) -> None:
        """Change columns of the artifact's row, as nothing but damage or the earlier store does."""
        with self.store.manifest.writing() as transaction:
            for name, value in columns.items():
                transaction.connection.execute(
                    f"UPDATE artifacts SET {name} = ? WHERE artifact_id = ?",  # noqa: S608 - names of columns
                    (value, artifact_id),
                )
            transaction.note("a change of the test's own")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@contextmanager
def bytes_of(path: Path, data: bytes) -> Iterator[None]:
    """Within the block the file holds ``data``."""
    good, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(good)
        path.chmod(mode)


def missed_flips(path: Path, check: Verify, *, samples: int = 40) -> list[int]:
    """Of evenly chosen places in the file, first and last byte included, those where a flipped bit is not found."""
    good = path.read_bytes()
    missed = []
    for sample in range(samples):
        place = sample * (len(good) - 1) // (samples - 1)
        bad = bytearray(good)
        bad[place] ^= 1 << (sample % 8)
        with bytes_of(path, bytes(bad)):
            if {problem.path for problem in check().problems} != {str(path)}:
                missed.append(place)
    return missed


def test_a_flipped_bit_anywhere_in_any_file_is_found(lake: Lake) -> None:
    event = lake.store.paths.events / "000000000002.json"
    for path in (lake.table(lake.made), lake.sidecar(lake.made), lake.sidecar(lake.top), lake.raw_path, event):
        assert missed_flips(path, lambda: verify(lake.store)) == [], path
    assert verify(lake.store, deep=True).is_whole


def test_a_verification_that_skips_a_file_is_caught(lake: Lake) -> None:
    part = next(part for part in (1, 2) if len(missed_flips(lake.table(lake.made), in_half(lake, part), samples=2)))
    assert missed_flips(lake.table(lake.made), in_half(lake, part), samples=2) != []
    assert missed_flips(lake.table(lake.made), in_half(lake, 3 - part), samples=2) == []


def in_half(lake: Lake, part: int) -> Verify:
    return lambda: verify(lake.store, subset=(part, 2))


def test_a_read_of_a_flipped_table_is_refused_wherever_the_bit_is(lake: Lake) -> None:
    path = lake.table(lake.made)
    good = path.read_bytes()
    for place in range(0, len(good), max(1, len(good) // 40)):
        bad = bytearray(good)
        bad[place] ^= 0x40
        with bytes_of(path, bytes(bad)), pytest.raises(ArtifactDamagedError):
            lake.store.read(lake.made)
    assert lake.store.read(lake.made).num_rows == 2


def test_what_was_made_from_lost_content_is_listed_once_and_not_what_is_damaged_itself(lake: Lake) -> None:
    with bytes_of(lake.raw_path, b"x"), bytes_of(lake.table(lake.made), b"x"):
        report = verify(lake.store)
    assert {(problem.kind, problem.artifact_id) for problem in report.problems} == {
        (ProblemKind.DAMAGED, lake.raw),
        (ProblemKind.DAMAGED, lake.made),
    }
    assert [artifact.artifact_id for artifact in report.downstream] == [lake.top]
    with bytes_of(lake.sidecar(lake.made), b"x"):
        assert verify(lake.store).downstream == (), "a sidecar is not what tables are made from"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"null", b"[]", b'"text"', b"{}", b'{"identity": 1}', b"\xff\xfe", b"[" * 100_000, b"1" * 5_000]
)
def test_a_torn_or_foreign_sidecar_is_found(lake: Lake, data: bytes) -> None:
    for is_of_earlier_store in (False, True):
        if is_of_earlier_store:
            lake.set(lake.made, published_seq=None)
        with bytes_of(lake.sidecar(lake.made), data):
            (problem,) = verify(lake.store).problems
        assert (problem.kind, problem.path) == (ProblemKind.SIDECAR, str(lake.sidecar(lake.made)))


def test_a_sidecar_of_another_artifact_is_found(lake: Lake) -> None:
    with bytes_of(lake.sidecar(lake.made), lake.sidecar(lake.top).read_bytes()):
        (problem,) = verify(lake.store).problems
    assert problem.kind is ProblemKind.SIDECAR
    assert "artifact_id, artifact_type, schema_version, logical_key, file_hash, content_hash" in problem.detail


def test_a_row_that_was_changed_is_found_by_its_sidecar(lake: Lake) -> None:
    lake.set(lake.made, row_count=3)
    (problem,) = verify(lake.store).problems
    assert problem.detail == f"{lake.sidecar(lake.made)}: row_count: not what the manifest says"


def test_a_file_that_cannot_be_read_is_told_from_one_that_is_gone(lake: Lake) -> None:
    lake.table(lake.made).unlink()
    lake.table(lake.top).unlink()
    lake.table(lake.top).mkdir()
    kinds = {problem.artifact_id: problem.kind for problem in verify(lake.store).problems}
    assert kinds == {lake.made: ProblemKind.MISSING, lake.top: ProblemKind.UNREADABLE}


def test_other_content_under_a_right_file_hash_is_found_by_a_deep_verification_only(lake: Lake) -> None:
    other = lake.store.publish(slice_request([7.0, 8.0], key="2")).artifact
    foreign = Path(other.path_parquet).read_bytes()
    lake.store.tombstone(other.artifact_id, reason="a donor")
    lake.set(other.artifact_id, file_hash="sha256:" + "0" * 64)
    lake.set(lake.made, file_hash=other.file_hash)
    with bytes_of(lake.table(lake.made), foreign):
        shallow, deep = (
            {problem.kind for problem in verify(lake.store, deep=deep).problems if problem.artifact_id == lake.made}
            for deep in (False, True)
        )
    assert shallow == {ProblemKind.SIDECAR}
    assert deep == {ProblemKind.SIDECAR, ProblemKind.CONTENT}


def as_of_the_earlier_store(lake: Lake, artifact_id: str) -> None:
    """Make the artifact look as one that was adopted where it stood: its row, and a sidecar as they were then."""
    artifact = lake.store.get_artifact(artifact_id)
    lake.set(artifact_id, published_seq=None, qlh1_hash=artifact.content_hash, content_hash="e" * 64, byte_size=None)
    lake.set(artifact_id, path_parquet=f"/gone{artifact.path_parquet}", path_sidecar=f"/gone{artifact.path_sidecar}")
    body = json.loads(lake.sidecar(artifact_id).read_bytes())
    for name in ("checksum", "tags", "schema"):
        del body[name]
    body["identity"]["content_hash"] = "e" * 64
    body["status"] = "active"
    body["created_at"] = "2025-05-01T00:00:00.000001Z"
    body["paths"] = {"parquet": "/gone/a.parquet", "sidecar": "/gone/a.json"}
    lake.sidecar(artifact_id).chmod(0o644)
    lake.sidecar(artifact_id).write_text(json.dumps(body, indent=2))


def test_an_artifact_of_the_earlier_store_is_held_to_what_was_recorded_of_it(lake: Lake) -> None:
    as_of_the_earlier_store(lake, lake.made)
    lake.set(lake.made, status="superseded")
    assert verify(lake.store, deep=True).is_whole
    with bytes_of(lake.table(lake.made), b"rotten"):
        assert [problem.kind for problem in verify(lake.store).problems] == [ProblemKind.DAMAGED]
    lake.set(lake.made, qlh1_hash="qlh1:" + "0" * 64)
    assert verify(lake.store).is_whole
    assert [problem.kind for problem in verify(lake.store, deep=True).problems] == [ProblemKind.CONTENT]
    lake.set(lake.made, qlh1_hash=None)
    assert verify(lake.store, deep=True).is_whole


def test_what_was_adopted_damaged_says_so(lake: Lake) -> None:
    as_of_the_earlier_store(lake, lake.made)
    with lake.store.manifest.writing() as transaction:
        transaction.connection.execute(
            "INSERT INTO adoptions (artifact_id, seq, was_head, file_check, content_check)"
            " VALUES (?, 9, 1, 'differs', 'unconfirmed')",
            (lake.made,),
        )
        transaction.note("a change of the test's own")
    with bytes_of(lake.table(lake.made), b"rotten"):
        (problem,) = verify(lake.store).problems
    assert problem.was_adopted_so
    assert problem.detail.endswith("(it was so when it was adopted)")


def test_a_raw_file_that_was_taken_for_two_kinds_is_read_once_and_is_the_problem_of_both(lake: Lake) -> None:
    twice = archive_raw_file(lake.store, lake.export, "candle_file", WRITER).artifact_id
    tables = sum(lake.table(id_).stat().st_size for id_ in (lake.raw, lake.made, lake.top, twice))
    assert verify(lake.store).bytes_checked == tables + lake.raw_path.stat().st_size
    with bytes_of(lake.raw_path, b"rotten"):
        whole = verify(lake.store)
        parts = [verify(lake.store, subset=(part, 2)) for part in (1, 2)]
    assert {problem.artifact_id for problem in whole.problems} == {lake.raw, twice}
    assert {problem.artifact_id for part in parts for problem in part.problems} == {lake.raw, twice}


def test_a_raw_file_whose_key_was_damaged_is_a_problem_and_not_the_end(lake: Lake) -> None:
    lake.set(lake.raw, logical_key="kind=telegram_export/sha256=../../etc/passwd")
    report = verify(lake.store)
    assert {(problem.kind, problem.artifact_id) for problem in report.problems} == {
        (ProblemKind.SIDECAR, lake.raw),
        (ProblemKind.CONTENT, lake.raw),
    }
    assert report.artifacts_checked == 3


def test_files_that_no_row_names_are_counted_and_are_no_damage(lake: Lake) -> None:
    assert verify(lake.store).orphans == 0
    (lake.store.paths.artifacts_root / "outside" / "stray.parquet").write_bytes(b"stray")
    report = verify(lake.store)
    assert (report.is_whole, report.orphans) == (True, 1)
    assert verify(lake.store, subset=(1, 2)).orphans is None


def test_parts_cover_everything_once_also_when_the_lake_grows_between_them(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    first = {store.publish(free_request([n], f"of={n}")).artifact_id for n in range(12)}
    seen = failing_ids(store, (1, 3))
    for number in range(100, 112):
        store.publish(free_request([number], f"of={number}"))
    later = [failing_ids(store, (part, 3)) for part in (2, 3)]
    assert first <= seen.union(*later)
    assert sum(len(ids & first) for ids in (seen, *later)) == len(first)
    parts = [verify(store, subset=(part, 5)) for part in range(1, 6)]
    assert sum(part.artifacts_checked for part in parts) == 24
    assert max(part.artifacts_checked for part in parts) < 12, "the work is shared out"
    assert sum(part.events_checked for part in parts) == 24


def failing_ids(store: ParquetArtifactStore, subset: tuple[int, int]) -> set[str]:
    """Which artifacts a part covers: those whose loss it notices."""
    root = store.paths.artifacts_root
    root.rename(root.with_name("away"))
    try:
        return {problem.artifact_id for problem in verify(store, subset=subset).problems if problem.artifact_id}
    finally:
        root.with_name("away").rename(root)


def test_the_outcome_is_remembered_until_the_next_one(lake: Lake) -> None:
    paths = lake.store.paths
    assert last_verification(paths) is None
    with bytes_of(lake.table(lake.made), b"rotten"):
        verify(lake.store, deep=True)
    known = last_verification(paths)
    assert known is not None
    assert (known.newest.is_deep, known.newest.artifacts_checked, known.problem_count) == (True, 3, 1)
    assert [(problem.kind, problem.artifact_id) for problem in known.problems] == [("damaged", lake.made)]
    verify(lake.store)
    known = last_verification(paths)
    assert known is not None
    assert (known.problem_count, len(known.runs)) == (0, 1)


def test_parts_add_to_what_is_remembered_and_look_again_at_what_they_cover(lake: Lake) -> None:
    event = lake.store.paths.events / "000000000001.json"
    with bytes_of(lake.table(lake.made), b"rotten"), bytes_of(event, b"rotten"):
        verify(lake.store)
        before = [remembered(lake)]
        for part in (1, 2, 3, 4):
            verify(lake.store, subset=(part, 4))
            before.append(remembered(lake))
    assert before == [{lake.made, None}] * 5, "damage that still stands is never forgotten by a part"
    after = []
    for part in (1, 2, 3, 4):
        verify(lake.store, subset=(part, 4))
        after.append(remembered(lake))
    assert after[-1] == set()
    known = last_verification(lake.store.paths)
    assert known is not None
    assert [(run.part, run.parts) for run in known.runs] == [(4, 4), (3, 4), (2, 4), (1, 4), (1, 1)]


def remembered(lake: Lake) -> set[str | None]:
    known = last_verification(lake.store.paths)
    assert known is not None
    return {problem.artifact_id for problem in known.problems}


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"format": "quantlab-verification/1"}', b"\xff"])
def test_a_note_that_cannot_be_read_is_no_note(lake: Lake, data: bytes) -> None:
    verify(lake.store)
    (note,) = lake.store.paths.projection_cache.iterdir()
    note.chmod(0o644)
    note.write_bytes(data)
    assert last_verification(lake.store.paths) is None
    assert verify(lake.store, subset=(1, 2)).is_whole
    assert last_verification(lake.store.paths) is not None


def test_a_verification_answers_where_no_note_can_be_kept(lake: Lake) -> None:
    lake.store.paths.projection_cache.write_bytes(b"a file where the folder should be")
    assert verify(lake.store).is_whole
    assert last_verification(lake.store.paths) is None


def test_a_manifest_that_is_older_than_its_events_is_told(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    store.publish(free_request([1]))
    store.close()
    copy = store.paths.manifest_db.read_bytes()
    for value in (2, 3):
        store.publish(free_request([value]))
    store.close()
    store.paths.manifest_db.write_bytes(copy)
    (problem,) = verify(store).problems
    assert problem.path == str(store.paths.manifest_db)
    assert "ends with event 1 but there are events up to 3: it is an older copy" in problem.detail
    rebuild(store)
    assert verify(store).is_whole
