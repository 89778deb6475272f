"""Advisory file locks: they hold between processes and end with the process that holds them, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from quantlab_resources.artifacts.files.durable_files import make_directory, storage_errors

_POLL_S = 0.02


def locked(path: Path) -> AbstractContextManager[None]:
    """Hold the lock on ``path`` (made if absent) within the block; waits for another holder. Raises StorageError."""
    return _held(path, fcntl.LOCK_EX)


def shared(path: Path) -> AbstractContextManager[None]:
    """Hold the lock on ``path`` together with others who share it; waits while one holds it alone."""
    return _held(path, fcntl.LOCK_SH)


@contextmanager
def locked_unless_held(path: Path, *, wait_s: float = 0.0) -> Iterator[bool]:
    """Hold the lock on ``path`` within the block; yields False when another still holds it after ``wait_s`` seconds."""
    descriptor = _opened(path)
    try:
        yield _try_lock(descriptor, time.monotonic() + wait_s)
    finally:
        os.close(descriptor)


@contextmanager
def _held(path: Path, operation: int) -> Iterator[None]:
    descriptor = _opened(path)
    try:
        with storage_errors(path):
            fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        else:
            return True


def _opened(path: Path) -> int:
    make_directory(path.parent)
    with storage_errors(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
