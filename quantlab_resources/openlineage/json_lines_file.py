"""A file of JSON lines as a destination: every event exactly once, whatever ends the sender.

Each event is appended and synced by itself, so only the last line can be unfinished. And the file is its own position:
its last whole line says which place of the log it tells of. There is nothing beside it that could disagree after a
crash.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_resources.artifacts.files.durable_files import make_directory, storage_errors, sync_directory
from quantlab_resources.openlineage.lineage_outbox import Place

LOG_FACET = "quantlab_log"
_START = b'{"eventTime":"'
_BLOCK = 1 << 16


class JsonLinesFile:
    """The file at ``path``, made with its folder when something is sent. One lake at a time writes to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def address(self) -> str:
        """The whole path."""
        return str(self._path)

    @contextmanager
    def open(self) -> Iterator[_OpenFile]:
        """Hold the file's lock within the block. Raises ConflictError while another holds it, StorageError."""
        make_directory(self._path.parent)
        with storage_errors(self._path):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise InvalidInputError(f"{self._path} is no plain file; lineage goes to a file or to http(s)://")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(f"{self._path} is being written to by another sender; repeat later") from None
            sync_directory(self._path.parent)
            yield _OpenFile(self._path, descriptor)
        finally:
            os.close(descriptor)


class _OpenFile:
    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    def last_received(self) -> Place | None:
        """What the last whole line tells of. An unfinished line after it was never acknowledged and is cut off.

        Raises ConflictError for a file that something else has written to; it is left as it is.
        """
        with storage_errors(self._path):
            start, line = self._last_line()
            place = _place(line)
            if place is not None or not line:
                return place
            _, before = self._last_line(before=start)
            place = _place(before)
            if not (_may_be_unfinished(line, after_ours=place is not None) and (place is not None or not before)):
                raise ConflictError(
                    f"{self._path} ends with what quantlab did not send; nothing was sent or changed; name another file"
                )
            os.ftruncate(self._descriptor, start)
            os.fsync(self._descriptor)
            return place

    def send(self, line: bytes) -> None:
        """Append one line, on disk when it returns."""
        size = os.fstat(self._descriptor).st_size
        with storage_errors(self._path):
            try:
                remaining = memoryview(line + b"\n")
                while remaining:
                    remaining = remaining[os.write(self._descriptor, remaining) :]
                os.fsync(self._descriptor)
            except OSError:
                with suppress(OSError):  # else the next sender cuts it off
                    os.ftruncate(self._descriptor, size)
                raise

    def _last_line(self, before: int | None = None) -> tuple[int, bytes]:
        """Where the last line (or the one that ends at ``before``) starts, and the line, with its end if it has one."""
        end = os.fstat(self._descriptor).st_size if before is None else before
        start, data = end, b""
        while start > 0:
            size = min(_BLOCK, start)
            start -= size
            block = os.pread(self._descriptor, size, start)
            at = (block[:-1] if not data else block).rfind(b"\n")
            data = block[at + 1 :] + data
            if at >= 0:
                return start + at + 1, data
        return 0, data


def _may_be_unfinished(line: bytes, *, after_ours: bool) -> bool:
    """Whether the line may be what a crash left of one of ours. Zeros are what a disk without power may give for it."""
    if line.endswith(b"\n") and b"\0" not in line:
        return False
    return line.startswith(_START) or _START.startswith(line) or (after_ours and line.startswith(b"\0"))


def _place(line: bytes) -> Place | None:
    """The place in the log that a line tells of; None for an unfinished one, and one of somebody else."""
    if not line.endswith(b"\n"):
        return None
    try:
        event: Any = json.loads(line)
        log = (event.get("run") or event["dataset"])["facets"][LOG_FACET]
        return Place(int(log["sequence"]), int(log["part"]), int(log["parts"]), str(log["sha256"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
