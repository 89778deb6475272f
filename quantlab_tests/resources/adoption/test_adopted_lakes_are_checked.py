"""An adopted lake is verified as any other, and neither quarantine nor garbage collection touches an old file."""

from __future__ import annotations

from pathlib import Path

from quantlab_resources.artifacts.upkeep.artifact_check import ProblemKind
from quantlab_resources.artifacts.upkeep.garbage_collection import collect_garbage
from quantlab_resources.artifacts.upkeep.quarantine import quarantine
from quantlab_resources.artifacts.upkeep.verification import verify
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake
from quantlab_tests.resources.adoption.lakes_before_and_after import adopt, adopted, files_as_they_are, store_at


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x20
    path.chmod(0o644)
    path.write_bytes(data)


def test_an_adopted_lake_verifies_deeply_and_a_flipped_bit_in_any_table_is_found(tmp_path: Path) -> None:
    earlier = small_earlier_lake(tmp_path, minutes=60)
    with adopted(tmp_path) as (store, report):
        whole = verify(store, deep=True)
        assert whole.is_whole, whole.problems
        assert whole.artifacts_checked == report.adopted == len(earlier.published)
        for path in sorted((tmp_path / "artifacts").rglob("*.parquet")):
            good = path.read_bytes()
            flip(path)
            assert {(problem.kind, problem.path) for problem in verify(store).problems} == {
                (ProblemKind.DAMAGED, str(path))
            }
            path.write_bytes(good)


def test_old_files_are_neither_quarantined_nor_collected_where_they_stand(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path, minutes=60)
    with adopted(tmp_path) as (store, _):
        path = min((tmp_path / "artifacts").rglob("*.parquet"))
        flip(path)
        before = files_as_they_are(tmp_path / "artifacts")
        outcome = quarantine(store, verify(store))
        assert outcome.moved == ()
        assert [problem.path for problem in outcome.left] == [str(path)]
        with store.manifest.reading() as connection:
            ids = [row[0] for row in connection.execute("SELECT artifact_id FROM artifacts")]
        for artifact_id in ids:
            store.tombstone(artifact_id, reason="none of it is wanted any more")
        assert collect_garbage(store).artifacts == 0
        assert files_as_they_are(tmp_path / "artifacts") == before


def test_a_copy_in_a_new_home_can_be_quarantined_and_the_old_file_stays(tmp_path: Path) -> None:
    small_earlier_lake(tmp_path / "old", minutes=60)
    before = files_as_they_are(tmp_path / "old")
    adopt(tmp_path / "old", into=tmp_path / "new")
    store = store_at(tmp_path / "new")
    assert verify(store, deep=True).is_whole
    path = min((tmp_path / "new" / "artifacts").rglob("*.parquet"))
    flip(path)
    (moved,) = quarantine(store, verify(store)).moved
    assert moved.path == str(path)
    assert not path.exists()
    assert files_as_they_are(tmp_path / "old") == before
    store.close()
