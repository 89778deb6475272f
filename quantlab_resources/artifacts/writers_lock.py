"""The lock between publishing and cleaning up: publishers share it, recovery holds it alone.

While it is held alone, a staging file or an unregistered file belongs to nobody who is still alive. The kernel drops
the lock when a process dies, so a crash never leaves it behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from quantlab_resources.artifacts.durable_files import storage_errors
from quantlab_resources.lake_paths import LakePaths

_POLL_S = 0.02


@contextmanager
def publishing(paths: LakePaths) -> Iterator[None]:
    """Hold the lock together with other publishers; waits while recovery cleans up."""
    descriptor = _open(paths)
    try:
        with storage_errors(paths.writers_lock):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def cleaning_up(paths: LakePaths, *, wait_s: float) -> Iterator[bool]:
    """Hold the lock alone; yields False when publishers were still busy after ``wait_s`` seconds."""
    descriptor = _open(paths)
    try:
        yield _try_exclusive(descriptor, time.monotonic() + wait_s)
    finally:
        os.close(descriptor)


def _open(paths: LakePaths) -> int:
    with storage_errors(paths.writers_lock):
        return os.open(paths.writers_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _try_exclusive(descriptor: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        else:
            return True
