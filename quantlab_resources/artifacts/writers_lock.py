"""The lock between publishing and cleaning up: publishers share it, recovery holds it alone.

While it is held alone, a staging file or an unregistered file belongs to nobody who is still alive. The kernel drops
the lock when a process dies, so a crash never leaves it behind.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from quantlab_resources.advisory_lock import locked_unless_held, shared
from quantlab_resources.artifacts.files.owner_of_files import check_owner
from quantlab_resources.lake_paths import LakePaths


def publishing(paths: LakePaths) -> AbstractContextManager[None]:
    """Hold the lock together with other publishers; waits while recovery cleans up. Raises StorageError, and
    ConflictError when the artifacts belong to another manifest, as `cleaning_up`."""
    check_owner(paths)
    return shared(paths.writers_lock)


def cleaning_up(paths: LakePaths, *, wait_s: float) -> AbstractContextManager[bool]:
    """Hold the lock alone; yields False when publishers were still busy after ``wait_s`` seconds."""
    check_owner(paths)
    return locked_unless_held(paths.writers_lock, wait_s=wait_s)
