"""Advisory file locks: they hold between processes and end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from quantlab_resources.artifacts.durable_files import make_directory, storage_errors


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on ``path`` (made if absent) within the block; waits for another holder. Raises StorageError."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def locked_unless_held(path: Path) -> Iterator[bool]:
    """Try to hold the lock on ``path`` within the block; yields False at once if another holds it."""
    descriptor = _opened(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    make_directory(path.parent)
    with storage_errors(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
