"""A caller's data file is read whole, or refused: what never ends, grows, or is no file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quantlab_core.errors import InvalidInputError, NotFoundError, StorageError
from quantlab_resources.artifacts.incoming_files import read_incoming

LIMIT = 10


@pytest.mark.parametrize("data", [b"", b"x", b"x" * LIMIT])
def test_a_file_within_the_limit_is_read_whole(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read_incoming(path, max_bytes=LIMIT) == data
    link = tmp_path / "link"
    link.symlink_to(path)
    assert read_incoming(link, max_bytes=LIMIT) == data


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    os.truncate(path, 2**40)
    with pytest.raises(InvalidInputError, match="split it"):
        read_incoming(path, max_bytes=LIMIT)


def test_a_pipe_a_device_and_a_folder_are_refused_without_waiting(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(InvalidInputError, match="not a regular file"):
            read_incoming(path, max_bytes=LIMIT)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs a file that is longer than it says")
def test_a_file_that_is_longer_than_it_says_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="changed while it was read"):
        read_incoming(Path("/proc/self/status"), max_bytes=LIMIT)


def test_what_is_not_there_is_not_found_and_what_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"missing: data file not found"):
        read_incoming(tmp_path / "missing", max_bytes=LIMIT)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(StorageError, match="loop"):
        read_incoming(loop, max_bytes=LIMIT)


def test_a_file_that_is_written_over_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"old,bytes")
    first_look = os.fstat

    def look_then_write(descriptor: int) -> os.stat_result:
        status = first_look(descriptor)
        monkeypatch.setattr(os, "fstat", first_look)
        path.write_bytes(b"new,bytes")
        os.utime(path, ns=(0, status.st_mtime_ns + 1))
        return status

    monkeypatch.setattr(os, "fstat", look_then_write)
    with pytest.raises(InvalidInputError, match="changed while it was read"):
        read_incoming(path, max_bytes=100)
