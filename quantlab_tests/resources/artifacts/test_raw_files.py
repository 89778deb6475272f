"""Raw files: kept once, byte for byte, read-only, known by their hash."""

from __future__ import annotations

import hashlib
import os
import stat
import tracemalloc
from pathlib import Path

import pytest

from quantlab_core.errors import ArtifactMissingError, InvalidInputError, StorageError
from quantlab_resources.artifacts.raw_files import archive_raw_file, check_raw_file, raw_file_path
from quantlab_tests.resources.artifacts.lakes import WRITER, files_under, new_store

DATA = b'{"messages": []}\n' * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


def export(folder: Path, name: str, data: bytes = DATA) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def test_a_file_is_archived_once_whatever_its_name(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    first = archive_raw_file(store, export(tmp_path / "in", "a.json"), "telegram_export", WRITER)
    again = archive_raw_file(store, export(tmp_path / "in", "b \udcff.json"), "telegram_export", WRITER, run_id="r2")
    assert (first.deduped, again.deduped, again.artifact_id) == (False, True, first.artifact_id)
    assert first.artifact.logical_key == f"kind=telegram_export/sha256={SHA256}"
    assert store.read(first.artifact_id).to_pylist() == [
        {"sha256": SHA256, "byte_size": len(DATA), "kind": "telegram_export"}
    ]
    path = raw_file_path(store, SHA256)
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert files_under(store.paths.raw_files) == [SHA256]
    assert files_under(store.paths.staging) == []
    with store.manifest.reading() as connection:
        assert [row[0] for row in connection.execute("SELECT v FROM artifact_tags ORDER BY v")] == [
            "a.json",
            "b �.json",
        ]


def test_a_damaged_raw_file_is_replaced_by_archiving_it_again(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    source = export(tmp_path / "in", "a.json")
    archive_raw_file(store, source, "telegram_export", WRITER)
    path = raw_file_path(store, SHA256)
    path.chmod(0o644)
    path.write_bytes(b"rotten")
    archive_raw_file(store, source, "telegram_export", WRITER)
    assert check_raw_file(store, SHA256) == len(DATA)


def test_what_cannot_be_archived_is_refused(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with pytest.raises(InvalidInputError, match="no kind of raw file"):
        archive_raw_file(store, export(tmp_path / "in", "a.json"), "holiday_photo", WRITER)
    with pytest.raises(StorageError, match=r"none\.json"):
        archive_raw_file(store, tmp_path / "none.json", "telegram_export", WRITER)
    with pytest.raises(InvalidInputError):
        raw_file_path(store, "../manifest")
    with pytest.raises(ArtifactMissingError):
        raw_file_path(store, "0" * 64)


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    archive_raw_file(store, export(tmp_path / "in", "empty", b""), "candle_file", WRITER)
    assert raw_file_path(store, hashlib.sha256().hexdigest()).read_bytes() == b""


def test_a_large_file_is_archived_and_checked_in_little_memory(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    large = tmp_path / "large.json"
    large.touch()
    os.truncate(large, 64 * 1024 * 1024)
    tracemalloc.start()
    try:
        archive_raw_file(store, large, "telegram_export", WRITER)
        (sha256,) = files_under(store.paths.raw_files)
        assert check_raw_file(store, sha256) == 64 * 1024 * 1024
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024


def test_a_source_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    store = new_store(tmp_path / "lake")
    with pytest.raises(StorageError, match="Is a directory"):
        archive_raw_file(store, tmp_path, "telegram_export", WRITER)
    assert files_under(store.paths.artifacts_root) == []
