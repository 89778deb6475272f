"""A copy of Dagster's storage in the lake: SQLite files through SQLite's backup, logs as they are.

With the `sqlite3` of the standard library, which Dagster uses: a process in which two SQLite libraries open one file
loses the locks that the other holds on it. Each file is of one moment; a run that goes on meanwhile may be in one of
them and not yet in the next. `quantlab lake sync-dagster` on the copy reports what is missing.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from quantlab_core.errors import StorageError
from quantlab_resources.artifacts.files.durable_files import storage_errors
from quantlab_resources.folder_listing import files_below

_SIDE_FILES = ("-wal", "-shm", "-journal")
_WAIT_S = 30.0


def copy_dagster_storage(source: Path, target: Path) -> tuple[int, int, int]:
    """Make ``target`` a copy of ``source``; files copied, their bytes, and files that had not changed.

    What ``source`` has no more goes from ``target`` too. Raises StorageError.
    """
    copied = byte_size = unchanged = 0
    kept: set[Path] = set()
    for path, size in files_below(source):
        file = Path(path)
        if file.name.endswith(_SIDE_FILES):
            continue
        place = target / file.relative_to(source)
        kept.add(place)
        with storage_errors(place):
            if _is_unchanged(file, place):
                unchanged += 1
                continue
            try:
                state = file.stat()
                place.parent.mkdir(parents=True, exist_ok=True)
                (_copy_database if file.suffix == ".db" else shutil.copyfile)(file, place)
                os.utime(place, ns=(state.st_atime_ns, state.st_mtime_ns))
            except FileNotFoundError:
                continue  # its run was deleted meanwhile
        copied += 1
        byte_size += size
    for path, _ in list(files_below(target)):
        if Path(path) not in kept:
            with storage_errors(Path(path)):
                Path(path).unlink(missing_ok=True)
    return copied, byte_size, unchanged


def _is_unchanged(file: Path, place: Path) -> bool:
    """By time of change; a database with something in its WAL has changed although its own file has not."""
    try:
        state, copy = file.stat(), place.stat()
    except FileNotFoundError:
        return False
    wal = file.with_name(file.name + "-wal")
    return state.st_mtime_ns == copy.st_mtime_ns and not (wal.exists() and wal.stat().st_size)


def _copy_database(file: Path, place: Path) -> None:
    if not file.exists():
        raise FileNotFoundError(file)
    for suffix in ("", *_SIDE_FILES):
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(file, timeout=_WAIT_S)) as live,
            closing(sqlite3.connect(place, timeout=_WAIT_S)) as copy,
        ):
            live.backup(copy)
    except sqlite3.Error as error:
        raise StorageError(f"{file} cannot be copied to {place}: {error}; the lake is as it was, repeat") from error
