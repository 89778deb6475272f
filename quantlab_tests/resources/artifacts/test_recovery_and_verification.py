"""What a crash leaves behind is cleared; what rots is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import apsw
import pytest

from quantlab_core.errors import IntegrityError, InvalidInputError, LakeNotFoundError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.manifest.manifest_schema import MIGRATIONS
from quantlab_resources.artifacts.raw_files import archive_raw_file
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import ProblemKind, verify
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.artifacts.lakes import (
    WRITER,
    HandClock,
    files_under,
    free_request,
    new_store,
    slice_request,
)


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.chmod(0o644)
    path.write_bytes(data)


def filled(tmp_path: Path) -> tuple[ParquetArtifactStore, list[str]]:
    """A raw file, a slice made from it, and a table made from the slice."""
    store = new_store(tmp_path / "lake")
    (tmp_path / "in.json").write_bytes(b"{}")
    raw = archive_raw_file(store, tmp_path / "in.json", "telegram_export", WRITER).artifact_id
    made = store.publish(slice_request([1.0], input_artifact_ids=[raw])).artifact_id
    top = store.publish(free_request([1], input_artifact_ids=[made])).artifact_id
    return store, [raw, made, top]


def test_recovery_clears_leftovers_and_touches_nothing_that_is_registered(tmp_path: Path) -> None:
    store, ids = filled(tmp_path)
    before = files_under(tmp_path / "lake")
    root, events = store.paths.artifacts_root, store.paths.events
    (store.paths.staging / "staged-x").write_bytes(b"half")
    (events / "staged-y").write_bytes(b"half")
    orphan = root / "ohlcv_slice_v2" / "v3" / "ohlcv_slice_v2__v3__x__ch=00000000.parquet"
    orphan.write_bytes(b"never registered")
    (root / "raw" / ("0" * 64)).write_bytes(b"never registered")
    report = recover(store)
    assert report.staging_files == (str(store.paths.staging / "staged-x"), str(events / "staged-y"))
    assert set(report.orphans) == {str(orphan), str(root / "raw" / ("0" * 64))}
    assert (root / "_quarantine" / "orphans" / orphan.relative_to(root)).read_bytes() == b"never registered"
    shutil.rmtree(root / "_quarantine")
    assert files_under(tmp_path / "lake") == before
    assert recover(store).is_clean
    assert all(store.read(artifact_id).num_rows == 1 for artifact_id in ids)


def test_recovery_waits_for_publishers(tmp_path: Path) -> None:
    store, _ = filled(tmp_path)
    with store.publishing(), pytest.raises(StorageError, match="others are publishing"):
        recover(store, wait_s=0.05)


def test_the_first_publish_of_a_store_clears_staging_files_unless_others_publish(tmp_path: Path) -> None:
    store, _ = filled(tmp_path)
    leftover = store.paths.staging / "staged-x"
    leftover.write_bytes(b"half")
    other = ParquetArtifactStore(store.paths, clock=store.clock)
    with store.publishing():
        other.publish(free_request([2]))
        assert leftover.exists()
    ParquetArtifactStore(store.paths, clock=store.clock).publish(free_request([3]))
    assert not leftover.exists()


def test_an_orphan_is_adopted_by_publishing_its_content_again(tmp_path: Path) -> None:
    donor = new_store(tmp_path / "donor").publish(slice_request([1.0])).artifact
    store = new_store(tmp_path / "lake")
    for name in (donor.path_parquet, donor.path_sidecar):
        target = store.paths.artifacts_root / Path(name).relative_to(tmp_path / "donor" / "artifacts")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, target)
    artifact = store.publish(slice_request([1.0])).artifact
    assert (artifact.artifact_id, artifact.created_at) == (donor.artifact_id, donor.created_at)
    assert len(files_under(store.paths.artifacts_root)) == 2
    assert verify(store, deep=True).is_whole


def test_a_damaged_manifest_is_refused_and_its_folder_can_be_restored_from_a_backup(tmp_path: Path) -> None:
    store, ids = filled(tmp_path)
    store.close()
    folder = store.paths.manifest_db.parent
    copied_lake(folder, tmp_path / "backup")
    later = store.publish(free_request([2], key="of=2"))
    store.close()
    store.paths.manifest_db.write_bytes(b"no database, " * 1000)
    with pytest.raises(IntegrityError, match="`quantlab lake rebuild-manifest` makes it anew"):
        store.publish(free_request([3]))
    shutil.rmtree(folder)
    copied_lake(tmp_path / "backup", folder)
    assert all(store.read(artifact_id).num_rows == 1 for artifact_id in ids)
    again = store.publish(free_request([2], key="of=2"))
    assert (again.artifact_id, again.artifact.path_parquet) == (later.artifact_id, later.artifact.path_parquet)
    assert verify(store, deep=True).is_whole


def test_a_manifest_of_the_earlier_store_is_left_as_it_is(tmp_path: Path) -> None:
    store = ParquetArtifactStore(LakePaths.from_environment(tmp_path, {}), clock=HandClock())
    store.paths.manifest_db.parent.mkdir()
    earlier = apsw.Connection(str(store.paths.manifest_db))
    earlier.execute(MIGRATIONS[0].sql)
    earlier.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (1, '2025-05-01')")
    earlier.close()
    before = store.paths.manifest_db.read_bytes()
    with pytest.raises(LakeNotFoundError, match="belongs to the earlier store"):
        store.publish(free_request([1]))
    assert store.paths.manifest_db.read_bytes() == before


def test_a_whole_lake_verifies(tmp_path: Path) -> None:
    store, ids = filled(tmp_path)
    seen: list[tuple[int, int]] = []
    report = verify(store, deep=True, progress=lambda done, total: seen.append((done, total)))
    assert (report.is_whole, report.artifacts_checked, report.events_checked) == (True, 3, 3)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    parts = [verify(store, subset=(n, 2)).artifacts_checked for n in (1, 2)]
    assert sum(parts) == len(ids)
    with pytest.raises(InvalidInputError):
        verify(store, subset=(3, 2))


def test_a_flipped_bit_anywhere_is_found_with_what_was_made_from_it(tmp_path: Path) -> None:
    store, (raw, made, top) = filled(tmp_path)
    artifacts = {
        name: store.get_artifact(artifact_id) for name, artifact_id in (("raw", raw), ("made", made), ("top", top))
    }
    files = {
        "raw file": (next(store.paths.raw_files.iterdir()), raw, {made, top}),
        "table": (Path(artifacts["made"].path_parquet), made, {top}),
        "sidecar": (Path(artifacts["made"].path_sidecar), made, set()),
        "event": (store.paths.events / "000000000001.json", None, set()),
    }
    for name, (path, artifact_id, downstream) in files.items():
        good = path.read_bytes()
        flip_a_bit(path)
        report = verify(store)
        assert {problem.path for problem in report.problems} == {str(path)}, name
        assert {problem.artifact_id for problem in report.problems} == {artifact_id}, name
        assert {artifact.artifact_id for artifact in report.downstream} == downstream, name
        path.write_bytes(good)
    assert verify(store).is_whole


def test_missing_files_are_found(tmp_path: Path) -> None:
    store, (_, made, _) = filled(tmp_path)
    artifact = store.get_artifact(made)
    Path(artifact.path_parquet).unlink()
    Path(artifact.path_sidecar).unlink()
    next(store.paths.raw_files.iterdir()).unlink()
    (store.paths.events / "000000000002.json").unlink()
    report = verify(store)
    assert [problem.kind for problem in report.problems] == [ProblemKind.MISSING] * 4


def test_recovery_goes_on_where_the_earlier_stores_writer_gave_a_raw_file_a_key_of_its_own(tmp_path: Path) -> None:
    store, (raw, *_) = filled(tmp_path)
    orphan = store.paths.artifacts_root / "outside" / "v1" / "nobody.parquet"
    orphan.write_bytes(b"never registered")
    store.close()
    with apsw.Connection(str(store.paths.manifest_db)) as manifest:
        manifest.execute(
            "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, path_parquet,"
            " path_sidecar, file_hash, content_hash, row_count) VALUES ('x', 'raw_file_v1', 1, 'of=me',"
            " 'raw_file_v1/v1/x.parquet', 'raw_file_v1/v1/x.json', 'x', 'x', 0)"
        )
    assert recover(store).orphans == (str(orphan),)
    assert store.read(raw).num_rows == 1
