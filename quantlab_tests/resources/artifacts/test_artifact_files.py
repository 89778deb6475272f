"""What every place for artifacts must do: the same for the local disk and for a bucket."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact_files import QUARANTINE, STAGING, ArtifactFiles, StoredFile
from quantlab_core.errors import ArtifactMissingError, StorageError
from quantlab_resources.artifacts.files.local_artifact_files import LocalArtifactFiles
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.bucket_files import BucketFiles


def local_files(home: Path) -> LocalArtifactFiles:
    files = LocalArtifactFiles(LakePaths.from_environment(home, {}))
    files.create()
    return files


@pytest.fixture(params=["local disk", "bucket"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactFiles:
    return local_files(tmp_path) if request.param == "local disk" else BucketFiles(tmp_path)


def put(files: ArtifactFiles, name: str, data: bytes) -> bool:
    with files.staged([data]) as staged:
        is_put = files.put_if_absent(name, staged)
    files.make_durable([name])
    return is_put


def names(files: ArtifactFiles, folder: str = "") -> set[str]:
    return {file.name for file in files.list_files(folder)}


def test_a_name_is_given_once_and_keeps_its_bytes(files: ArtifactFiles) -> None:
    assert put(files, "a/v1/x", b"first")
    assert not put(files, "a/v1/x", b"second")
    assert not put(files, "a/v1/x", b"first")
    assert files.read("a/v1/x") == b"first"


def test_staged_bytes_can_be_read_back_get_several_names_and_leave_nothing(files: ArtifactFiles) -> None:
    with files.staged([b"one ", b"", b"two"]) as staged:
        assert files.read(staged) == b"one two"
        assert names(files, STAGING) == {staged}
        assert files.put_if_absent("a/x", staged)
        assert files.put_if_absent("b/y", staged)
    assert names(files) == {"a/x", "b/y"}
    assert files.read("b/y") == b"one two"


def test_a_source_that_fails_half_way_leaves_nothing(files: ArtifactFiles) -> None:
    def blocks() -> object:
        yield b"half"
        raise ValueError("the source broke off")

    with pytest.raises(ValueError, match="broke off"), files.staged(blocks()):  # type: ignore[arg-type]
        pytest.fail("nothing is staged")
    assert names(files) == set()


def test_what_was_staged_goes_when_its_block_fails(files: ArtifactFiles) -> None:
    with pytest.raises(ValueError, match="changed my mind"), files.staged([b"x"]):
        raise ValueError("changed my mind")
    assert names(files) == set()


def test_a_file_of_many_blocks_comes_back_in_blocks(files: ArtifactFiles) -> None:
    data = os.urandom(3 * 1024 * 1024 + 1)
    put(files, "raw/x", data)
    blocks = list(files.read_blocks("raw/x"))
    assert b"".join(blocks) == data
    assert len(blocks) > 3
    put(files, "raw/empty", b"")
    assert list(files.read_blocks("raw/empty")) == []


def test_what_is_not_there_is_named_with_its_location(files: ArtifactFiles) -> None:
    put(files, "a/x", b"1")
    for name in ("a/none", "none/x", "a/x/deeper"):
        for read in (files.read, lambda name: list(files.read_blocks(name)), files.local_path):
            with pytest.raises(ArtifactMissingError) as refusal:
                read(name)
            assert files.location(name) in str(refusal.value)


def test_files_are_listed_with_their_sizes_by_folder(files: ArtifactFiles) -> None:
    assert list(files.list_files("a")) == []
    put(files, "a/v1/x", b"1")
    put(files, "a/v2/y", b"22")
    put(files, "ab/z", b"333")
    assert set(files.list_files("a")) == {StoredFile("a/v1/x", 1), StoredFile("a/v2/y", 2)}
    assert set(files.list_files()) == {*files.list_files("a"), StoredFile("ab/z", 3)}


def test_what_is_set_aside_keeps_its_bytes_and_frees_its_name(files: ArtifactFiles) -> None:
    put(files, "a/x", b"rotten")
    files.set_aside("a/x", "damaged/x")
    assert names(files) == {f"{QUARANTINE}/damaged/x"}
    assert files.read(f"{QUARANTINE}/damaged/x") == b"rotten"
    assert put(files, "a/x", b"good")
    files.set_aside("a/none", "damaged/none")
    assert names(files) == {"a/x", f"{QUARANTINE}/damaged/x"}


def test_what_is_removed_is_gone_and_its_name_is_free_again(files: ArtifactFiles) -> None:
    put(files, "a/x", b"old")
    put(files, "a/y", b"stays")
    assert files.remove("a/x")
    files.make_durable(["a/x"])
    assert names(files) == {"a/y"}
    with pytest.raises(ArtifactMissingError):
        files.read("a/x")
    assert not files.remove("a/x")
    assert not files.remove("none/x")
    assert put(files, "a/x", b"new")
    assert files.read("a/x") == b"new"


def test_a_leftover_in_staging_can_be_discarded(files: ArtifactFiles) -> None:
    leftover = files.staged([b"half"])
    staged = leftover.__enter__()  # whoever staged this has died
    files.discard_staged(staged)
    assert names(files) == set()


def test_a_local_path_holds_the_bytes_and_can_be_sought(files: ArtifactFiles) -> None:
    put(files, "raw/x", b"0123456789")
    with files.local_path("raw/x").open("rb") as file:
        file.seek(7)
        assert file.read() == b"789"


def test_local_files_are_read_only_and_say_where_they_are(tmp_path: Path) -> None:
    files = local_files(tmp_path)
    put(files, "a/v1/x", b"1")
    path = tmp_path / "artifacts" / "a" / "v1" / "x"
    assert files.location("a/v1/x") == str(path) == str(files.local_path("a/v1/x"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert files.location("") == str(tmp_path / "artifacts")


def test_an_absolute_path_of_another_machine_is_found_under_the_root(tmp_path: Path) -> None:
    files = local_files(tmp_path)
    put(files, "a/v1/x", b"1")
    assert files.read("/gone/artifacts/a/v1/x") == b"1"
    assert files.location("/gone/artifacts/a/v1/x") == str(tmp_path / "artifacts" / "a" / "v1" / "x")


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    files = local_files(tmp_path)
    (tmp_path / "a" / "v1").mkdir(parents=True)
    for place in (tmp_path / "x", tmp_path / "a" / "v1" / "x"):
        place.write_bytes(b"not of the lake")
        inside_out = ["../" + place.relative_to(tmp_path).as_posix(), f"a/../../{place.name}", f"{tmp_path}/../x"]
        for name in (str(place), *inside_out, "/x", "//x", "a//x", "./x", "a\0b"):
            with pytest.raises(ArtifactMissingError):
                files.read(name)
            with files.staged([b"1"]) as staged, pytest.raises(ArtifactMissingError):
                files.put_if_absent(name if not name.startswith(str(tmp_path / "a")) else "../x", staged)
    assert files.location("../x") == "../x"


def test_links_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    files = local_files(tmp_path)
    put(files, "a/x", b"1")
    (tmp_path / "artifacts" / "again").symlink_to(tmp_path / "artifacts" / "a")
    (tmp_path / "artifacts" / "loop").symlink_to(tmp_path / "artifacts")
    assert names(files) == {"a/x"}


def test_what_the_disk_refuses_is_a_storage_error_with_the_path(tmp_path: Path) -> None:
    files = local_files(tmp_path)
    (tmp_path / "artifacts" / "a").write_bytes(b"a file where a folder should be")
    with files.staged([b"1"]) as staged, pytest.raises(StorageError, match=str(tmp_path / "artifacts" / "a")):
        files.put_if_absent("a/x", staged)
    with pytest.raises(StorageError, match="Is a directory"):
        files.read("")


def test_what_was_set_aside_before_is_not_replaced(files: ArtifactFiles) -> None:
    for data in (b"rotten", b"rotten otherwise", b"rotten"):
        put(files, "a/x", data)
        files.set_aside("a/x", "damaged/x")
    kept = [files.read(name) for name in names(files)]
    assert sorted(kept) == [b"rotten", b"rotten otherwise"]
