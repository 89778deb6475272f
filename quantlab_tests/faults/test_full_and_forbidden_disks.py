"""File systems that are full, read-only or not ours: an error that names the path, nothing half done, reads go on."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from quantlab_core.errors import StorageError
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.faults.lake_view import clean_up, flaws, store_at
from quantlab_tests.faults.store_paths import make_lake
from quantlab_tests.resources.artifacts.lakes import free_request

NOBODY = 65_534
GOOD, BAD = 0, 1
MOST_PUBLICATIONS = 2_000


def mount(*arguments: str, at: Path) -> None:
    """Mount something, or skip the test and say why it cannot be."""
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    done = subprocess.run(["mount", *arguments, str(at)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()[:100]}")


@contextmanager
def mounted(*arguments: str, at: Path) -> Iterator[Path]:
    at.mkdir(exist_ok=True)
    mount(*arguments, at=at)
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


def as_nobody(question: Callable[[], bool]) -> int:
    """Ask in a process without rights; root's own would override every permission."""
    child = os.fork()
    if child == 0:
        status = BAD
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            status = GOOD if question() else BAD
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def is_refused_by_name(home: Path, act: Callable[[], object]) -> bool:
    """Whether the act raises a StorageError of one line that names something in the lake."""
    try:
        act()
    except StorageError as error:
        return str(home) in str(error) and "\n" not in str(error)
    return False


@pytest.mark.parametrize("room", ["2m", "3m"])
def test_a_disk_that_fills_up_loses_nothing_and_goes_on_when_there_is_room(tmp_path: Path, room: str) -> None:
    with mounted("-t", "tmpfs", "-o", f"size={room}", "tmpfs", at=tmp_path / "disk") as disk:
        home = disk / "lake"
        make_lake(home)
        (disk / "ballast").write_bytes(b"x" * 700_000)
        published, refusal = publish_until_refused(home)
        assert "\n" not in refusal
        assert str(home) in refusal
        store = store_at(home)
        assert is_refused_by_name(home, lambda: store.publish(free_request(list(range(90_000)), key="of=large")))
        store.close()
        assert published <= keys_of_heads(home)
        assert flaws(home) == []
        (disk / "ballast").unlink()
        store.publish(free_request([1], key="of=afterwards"))
        store.close()
        clean_up(home)
        assert flaws(home) == []
        # A publication that was refused at its commit may be finished later: all of it, or nothing.
        assert published | {"of=afterwards"} <= keys_of_heads(home)
        assert len(keys_of_heads(home)) <= len(published) + 2


def test_a_file_system_without_names_left_is_refused_by_path(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=8m,nr_inodes=120", "tmpfs", at=tmp_path / "disk") as disk:
        home = disk / "lake"
        make_lake(home)
        published, refusal = publish_until_refused(home)
        assert str(home) in refusal
        assert published <= keys_of_heads(home)
        assert flaws(home) == []


def publish_until_refused(home: Path) -> tuple[set[str], str]:
    """Keys that were published before the disk refused, and how it did."""
    store, published = store_at(home), {"of=a"}
    try:
        for number in range(MOST_PUBLICATIONS):
            store.publish(free_request(list(range(number, number + 500)), key=f"of=n{number}"))
            published.add(f"of=n{number}")
    except StorageError as error:
        return published, str(error)
    finally:
        store.close()
    pytest.fail("the disk never filled up")


def keys_of_heads(home: Path) -> set[str]:
    store = store_at(home)
    try:
        return {head.logical_key for head in store.heads("outside")}
    finally:
        store.close()


@pytest.mark.parametrize("has_wal", [False, True], ids=["checkpointed", "with a WAL"])
def test_a_read_only_file_system_is_read_or_refused_by_path_and_never_written(tmp_path: Path, has_wal: bool) -> None:
    home = tmp_path / "lake"
    make_lake(home)
    artifact_id = free_id(home)
    store = store_at(home)
    store.is_available()
    if has_wal:
        child = os.fork()  # dies without tidying up, and leaves its WAL
        if child == 0:
            store_at(home).publish(free_request([9], key="of=late"))
            os._exit(0)
        os.waitpid(child, 0)
        copied_lake(home, tmp_path / "copy")
        home = tmp_path / "copy"
    store.close()
    with mounted("--bind", str(home), at=tmp_path / "frozen") as frozen:
        mount("-o", "remount,ro,bind", at=frozen)
        reader = store_at(frozen)
        keys = None
        with suppress(StorageError):
            keys = [head.logical_key for head in reader.heads("outside")]
        # SQLite needs its shared memory to see a WAL: then it sees all of it, and otherwise it refuses.
        assert keys == (["of=a", "of=late"] if has_wal else ["of=a"]) or (has_wal and keys is None)
        assert is_refused_by_name(frozen, lambda: reader.publish(free_request([2])))
        assert is_refused_by_name(frozen, lambda: reader.tombstone(artifact_id, reason="wrong"))
        reader.close()
    assert len(keys_of_heads(home)) == 1 + has_wal
    assert flaws(home) == []


def free_id(home: Path) -> str:
    store = store_at(home)
    try:
        return store.heads("outside")[0].artifact_id
    finally:
        store.close()


FORBIDDEN = ["artifacts/_tmp", "artifacts/outside/v1", "manifest/events", "manifest"]


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_a_folder_that_may_not_be_written_is_an_error_with_its_path_and_reads_go_on(folder: str) -> None:
    with reachable_folder() as home:
        make_lake(home / "lake")
        give_away(home / "lake", NOBODY)
        (home / "lake" / folder).chmod(0o555)

        def question() -> bool:
            store = store_at(home / "lake")
            is_refused = is_refused_by_name(home, lambda: store.publish(free_request([2], key="of=a")))
            return is_refused and store.read(store.heads("outside")[0].artifact_id).num_rows == 1

        assert as_nobody(question) == GOOD
        (home / "lake" / folder).chmod(0o755)
        assert flaws(home / "lake") == []
        assert keys_of_heads(home / "lake") == {"of=a"}


@pytest.mark.parametrize("folder", ["", "manifest", "artifacts", "artifacts/outside/v1"])
def test_a_folder_that_may_not_be_entered_is_an_error_with_its_path(folder: str) -> None:
    with reachable_folder() as home:
        make_lake(home / "lake")
        artifact_id = free_id(home / "lake")
        give_away(home / "lake", NOBODY)
        (home / "lake" / folder).chmod(0o000)

        def question() -> bool:
            store = store_at(home / "lake")
            return is_refused_by_name(home, lambda: store.read(artifact_id)) and is_refused_by_name(
                home, lambda: store.publish(free_request([2], key="of=a"))
            )

        assert as_nobody(question) == GOOD
        (home / "lake" / folder).chmod(0o755)
        assert flaws(home / "lake") == []


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="quantlab-forbidden-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


def give_away(folder: Path, user: int) -> None:
    """Let the user own the folder and all that is in it, where that is possible."""
    if os.geteuid() == 0:
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, user, user)
