"""The manifest as a file: opening it, making a new one, putting that in its place. The only module that opens it.

WAL with ``synchronous=FULL``: a commit that returned is on disk. The bundled SQLite of `apsw` is used because versions
before 3.51.3 can lose commits when several processes write in WAL mode.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from quantlab_core.errors import IntegrityError
from quantlab_resources.artifacts.manifest_schema import migrate

BUSY_TIMEOUT_MS = 30_000
SIDE_FILES = ("-wal", "-shm")


def open_manifest(path: Path, flags: int = apsw.SQLITE_OPEN_READWRITE) -> apsw.Connection:
    """A connection to the manifest; read-only and immutable where SQLite cannot make its shared-memory file."""
    if not os.access(path.parent, os.W_OK) and not _has_wal(path):
        # Without a WAL the main file alone is the whole truth.
        connection = apsw.Connection(
            f"{path.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
    else:
        connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
    return connection


def identity_of(path: Path) -> tuple[int, int] | None:
    """What tells this file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def new_manifest(path: Path, *, at: str) -> Iterator[apsw.Connection]:
    """A new empty manifest at ``path`` to be filled, without the checks that a finished one gets when the block ends.

    Foreign keys are checked at the end, so rows may come in any order. Raises IntegrityError when they do not fit, and
    leaves no file when anything is raised. The finished file is durable.
    """
    from quantlab_resources.artifacts.durable_files import sync_directory

    _remove(path)
    try:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF")
            migrate(connection, at=at)
            yield connection
            check_whole(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_directory(path.parent)
    except BaseException:
        _remove(path)
        raise


def check_whole(connection: apsw.Connection, path: Path) -> None:
    """Raise IntegrityError unless every row is readable and names rows that are there."""
    dangling = connection.execute("PRAGMA foreign_key_check").fetchone()
    if dangling is not None:
        raise IntegrityError(f"{path}: a row of {dangling[0]} names a row of {dangling[2]} that is not there")
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != ("ok",):
        raise IntegrityError(f"{path} is damaged: {verdict}")


@contextmanager
def held_still(path: Path) -> Iterator[int | None]:
    """Keep writers out of the manifest within the block; yields its last event's number, None if it cannot be trusted.

    Nobody can write to a manifest that is damaged or gone.
    """
    if not path.is_file():
        yield None
        return
    connection: apsw.Connection | None = None
    last: int | None = None
    try:
        try:
            connection = open_manifest(path)
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA quick_check(1)").get == "ok":
                last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").get
        except apsw.BusyError:
            raise
        except (apsw.Error, UnicodeDecodeError):
            last = None
        yield last
    finally:
        if connection is not None:
            with suppress(apsw.Error):
                connection.close()  # SQLite leaves the WAL alone when another file has taken the name


def put_in_place(new: Path, path: Path, aside: Path) -> None:
    """Make ``new`` the manifest; the present one, if any, is ``aside`` from then on with its WAL. Raises StorageError.

    The WAL goes first: beside another main file SQLite would apply it. A crash in between leaves an older copy of the
    manifest, which is noticed and can be rebuilt.
    """
    from quantlab_resources.artifacts.durable_files import storage_errors, sync_directory

    with storage_errors(path):
        for suffix in SIDE_FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
        with suppress(FileNotFoundError):
            os.link(path, aside)
        new.replace(path)
    sync_directory(path.parent)


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", *SIDE_FILES):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.is_file() and wal.stat().st_size > 0
