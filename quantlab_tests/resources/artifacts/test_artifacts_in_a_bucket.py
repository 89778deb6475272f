"""A lake whose artifacts are in a bucket: everything that the store does goes through the port, nothing around it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact_files import QUARANTINE, RAW_FILES, STAGING
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, ConflictError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.raw_files import archive_raw_file, check_raw_file, raw_file_path
from quantlab_resources.artifacts.upkeep.lake_status import lake_status
from quantlab_resources.artifacts.upkeep.recovery import recover
from quantlab_resources.artifacts.upkeep.verification import ProblemKind, verify
from quantlab_resources.lab import Lab
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.bucket_files import BucketFiles
from quantlab_tests.resources.artifacts.lakes import WRITER, HandClock, free_request, new_store, slice_request

EXPORT = b'{"messages": []}\n' * 100
SHA256 = hashlib.sha256(EXPORT).hexdigest()


class BucketLake:
    """A lake with its manifest on disk and its artifacts in a bucket."""

    def __init__(self, folder: Path) -> None:
        self.files = BucketFiles(folder / "copies")
        self.paths = LakePaths.from_environment(folder / "lake", {})
        self.store = ParquetArtifactStore.create(self.paths, clock=HandClock(), files=self.files)
        self.export = folder / "result.json"
        self.export.write_bytes(EXPORT)

    def fill(self) -> tuple[str, str, str]:
        """A raw file, a slice made from it, and a table made from the slice; their ids."""
        raw = archive_raw_file(self.store, self.export, "telegram_export", WRITER).artifact_id
        made = self.store.publish(slice_request([1.0], input_artifact_ids=[raw])).artifact_id
        return raw, made, self.store.publish(free_request([1], input_artifact_ids=[made])).artifact_id

    def name_of(self, artifact_id: str) -> str:
        return self.store.get_artifact(artifact_id).path_parquet.removeprefix(self.files.location(""))

    def reopened(self) -> ParquetArtifactStore:
        return ParquetArtifactStore(self.paths, clock=HandClock(), files=self.files)


@pytest.fixture
def lake(tmp_path: Path) -> BucketLake:
    return BucketLake(tmp_path)


def by_part(store: ParquetArtifactStore) -> Mapping[str, int]:
    return {part.name: part.byte_size for part in lake_status(store).parts}


def test_what_is_published_is_in_the_bucket_only_and_is_read_back(lake: BucketLake, tmp_path: Path) -> None:
    ids = lake.fill()
    assert [lake.store.read(artifact_id).num_rows for artifact_id in ids] == [1, 1, 1]
    artifact = lake.store.get_artifact(ids[1])
    assert artifact.path_parquet.startswith("s3://bucket/lake/ohlcv_slice_v2/v3/")
    assert len(lake.files.objects) == 7
    assert not lake.paths.artifacts_root.exists()
    on_disk = new_store(tmp_path / "other").publish(slice_request([1.0])).artifact
    assert Path(on_disk.path_parquet).read_bytes() == lake.files.objects[lake.name_of(ids[1])]


def test_bytes_are_staged_before_names_and_every_name_is_made_durable(lake: BucketLake) -> None:
    seen = lake.store.last_sequence()
    lake.files.log.clear()
    results = lake.store.publish_many([free_request([n], key=f"of={n}") for n in (1, 2)])
    steps = [step for step, _ in lake.files.log]
    assert steps == ["stage", "put", "stage", "put"] * 2 + ["durable"] * 4
    put, durable = ([name for step, name in lake.files.log if step == wanted] for wanted in ("put", "durable"))
    assert put == durable
    assert put[::2] == [lake.name_of(result.artifact_id) for result in results]
    assert lake.store.last_sequence() == seen + 1


def test_equal_content_is_found_again_and_put_back_when_it_is_damaged_or_gone(lake: BucketLake) -> None:
    _, made, _ = lake.fill()
    name = lake.name_of(made)
    good = lake.files.objects[name]
    assert lake.store.publish(slice_request([1.0])).deduped
    lake.files.objects[name] = b"rotten"
    with pytest.raises(ArtifactDamagedError, match=r"s3://bucket/lake/.* is damaged"):
        lake.store.read(made)
    assert lake.store.publish(slice_request([1.0])).deduped
    assert lake.files.objects[f"{QUARANTINE}/damaged/{made}.parquet"] == b"rotten"
    del lake.files.objects[name]
    with pytest.raises(ArtifactMissingError, match=r"s3://bucket/lake/.* is gone"):
        lake.store.read(made)
    assert lake.store.publish(slice_request([1.0])).deduped
    assert lake.files.objects[name] == good


def test_a_name_that_is_taken_gets_a_longer_suffix_until_there_is_none(lake: BucketLake, tmp_path: Path) -> None:
    twin = BucketLake(tmp_path / "twin")
    artifact = twin.store.publish(slice_request([1.0])).artifact
    name, digest = twin.name_of(artifact.artifact_id), artifact.content_hash.partition(":")[2]
    taken = [name.replace(digest[:8], digest[:length]) for length in (8, 16, 32, 64)]
    lake.files.objects[taken[0]] = b"somebody else's"
    published = lake.store.publish(slice_request([1.0])).artifact_id
    assert lake.name_of(published) == taken[1]
    full = BucketLake(tmp_path / "full")
    full.files.objects |= dict.fromkeys(taken, b"somebody else's")
    with pytest.raises(ConflictError, match="move that file out of the lake"):
        full.store.publish(slice_request([1.0]))
    assert full.store.heads("ohlcv_slice_v2") == []


def test_a_raw_file_is_archived_in_blocks_checked_and_replaced_when_damaged(lake: BucketLake) -> None:
    lake.fill()
    name = f"{RAW_FILES}/{SHA256}"
    assert lake.files.objects[name] == EXPORT
    assert raw_file_path(lake.store, SHA256).read_bytes() == EXPORT
    lake.files.objects[name] = b"rotten"
    with pytest.raises(ArtifactDamagedError, match="archive the file again"):
        check_raw_file(lake.store, SHA256)
    archive_raw_file(lake.store, lake.export, "telegram_export", WRITER)
    assert check_raw_file(lake.store, SHA256) == len(EXPORT)
    assert lake.files.objects[f"{QUARANTINE}/damaged/raw-{SHA256}"] == b"rotten"
    del lake.files.objects[name]
    with pytest.raises(ArtifactMissingError, match="archive the file again"):
        raw_file_path(lake.store, SHA256)


def test_verification_finds_what_is_damaged_in_the_bucket(lake: BucketLake) -> None:
    raw, made, top = lake.fill()
    whole = verify(lake.store, deep=True)
    assert (whole.is_whole, whole.artifacts_checked) == (True, 3)
    assert whole.bytes_checked == sum(
        len(data) for name, data in lake.files.objects.items() if not name.endswith(".json")
    )
    lake.files.objects[f"{RAW_FILES}/{SHA256}"] = b"rotten"
    lake.files.objects[lake.name_of(made)] = b"rotten"
    del lake.files.objects[lake.name_of(top).replace(".parquet", ".json")]
    report = verify(lake.store)
    assert {(problem.kind, problem.artifact_id) for problem in report.problems} == {
        (ProblemKind.DAMAGED, raw),
        (ProblemKind.DAMAGED, made),
        (ProblemKind.MISSING, top),
    }
    assert all(problem.path.startswith("s3://bucket/lake/") for problem in report.problems)


def test_recovery_clears_the_bucket_and_touches_nothing_that_is_registered(lake: BucketLake) -> None:
    lake.fill()
    before = dict(lake.files.objects)
    orphans = ["outside/v1/x.parquet", f"{RAW_FILES}/{'0' * 64}"]
    lake.files.objects |= {f"{STAGING}/upload-x": b"half", **dict.fromkeys(orphans, b"orphan")}
    report = recover(lake.store)
    assert report.staging_files == (lake.files.location(f"{STAGING}/upload-x"),)
    assert report.orphans == tuple(map(lake.files.location, orphans))
    aside = {f"{QUARANTINE}/orphans/{name}": b"orphan" for name in orphans}
    assert lake.files.objects == before | aside
    assert recover(lake.store).is_clean
    lake.files.objects[f"{STAGING}/upload-x"] = b"half"
    lake.reopened().publish(free_request([2]))
    assert f"{STAGING}/upload-x" not in lake.files.objects


def test_the_status_counts_what_is_in_the_bucket_and_what_is_on_disk(lake: BucketLake) -> None:
    lake.fill()
    lake.files.objects |= {f"{STAGING}/upload-x": b"half", f"{QUARANTINE}/damaged/x": b"rotten"}
    (lake.paths.home / "note.txt").write_bytes(b"four")
    parts = by_part(lake.store)
    assert (parts["raw files"], parts["staging"], parts["quarantine"]) == (len(EXPORT), 4, 6)
    assert sum(parts[name] for name in ("artifacts", "raw files", "staging", "quarantine")) == sum(
        map(len, lake.files.objects.values())
    )
    assert parts["manifest"] > 0
    assert parts["everything else"] == 4
    paths = {part.name: part.path for part in lake_status(lake.store).parts}
    assert paths["artifacts"] == "s3://bucket/lake/"
    assert paths["manifest"] == str(lake.paths.manifest_db.parent)


def test_a_lab_hands_its_place_for_artifacts_to_the_store(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    assert lab.artifacts.files is lab.artifact_files
