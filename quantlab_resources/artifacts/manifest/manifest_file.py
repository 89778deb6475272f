"""The manifest as a file: opening it, making a new one, putting that in its place. The only module that opens it.

WAL with ``synchronous=FULL``: a commit that returned is on disk. The bundled SQLite of `apsw` is used because versions
before 3.51.3 can lose commits when several processes write in WAL mode.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path

import apsw

from quantlab_core.errors import ConflictError, IntegrityError, InvalidInputError, StorageError
from quantlab_resources.artifacts.manifest.manifest_schema import (
    EARLIER_STORE_VERSION,
    LATEST_VERSION,
    check_version,
    migrate,
    schema_version,
)

BUSY_TIMEOUT_MS = 30_000
SIDE_FILES = ("-wal", "-shm")

_LAST_EVENT = "SELECT coalesce(max(seq), 0) FROM events"
_KNOWN_STATE = """
SELECT (SELECT coalesce(max(seq), 0) FROM events), (
    SELECT count(*) FROM artifacts a WHERE a.published_seq IS NULL
    AND NOT EXISTS (SELECT 1 FROM adoptions d WHERE d.artifact_id = a.artifact_id)
)
"""


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
    # Without it SQLite plans some queries anew for each value that is bound to them: 40 µs instead of 7.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
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

    Foreign keys are checked at the end, so rows may come in any order. Raises IntegrityError when they do not fit,
    StorageError when the disk refuses, and leaves no file when anything is raised. The finished file is durable.
    """
    from quantlab_resources.artifacts.files.durable_files import sync_directory, sync_file

    _remove(path)
    try:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute("PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF")
            migrate(connection, at=at)
            yield connection
            check_whole(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
        sync_file(path)
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


@dataclass(frozen=True, slots=True)
class KnownState:
    """What a manifest that can be trusted says: the number of its last event, and how many artifacts are in no event,
    because the earlier store's writer has put them there."""

    last_event: int
    artifacts_without_event: int


@contextmanager
def held_still(path: Path) -> Iterator[KnownState | None]:
    """Keep writers out of the manifest within the block; yields what it says, None if it cannot be trusted.

    Nobody can write to a manifest that is damaged or gone. Raises LakeNotFoundError for one of the earlier store,
    ConflictError for one of a newer quantlab: neither follows from our events.
    """
    if not path.is_file():
        yield None
        return
    connection: apsw.Connection | None = None
    known: KnownState | None = None
    try:
        try:
            connection = open_manifest(path)
            connection.execute("BEGIN IMMEDIATE")
            if connection.execute("PRAGMA quick_check(1)").get == "ok":
                version = schema_version(connection)
                if version == EARLIER_STORE_VERSION or version > LATEST_VERSION:
                    check_version(connection, str(path))
                known = KnownState(*connection.execute(_KNOWN_STATE).get)
        except apsw.BusyError:
            raise
        except (apsw.Error, UnicodeDecodeError):
            known = None
        yield known
    finally:
        if connection is not None:
            with suppress(apsw.Error):
                connection.close()  # SQLite leaves the WAL alone when another file has taken the name


def put_in_place(new: Path, path: Path, *, at: datetime) -> Path | None:
    """Make ``new`` the manifest. Returns the name that the present one has from then on; None if there is none.

    Its WAL goes before it: beside another main file SQLite would apply it. A crash in between leaves an older copy of
    the manifest, which is noticed and can be rebuilt. Raises StorageError.
    """
    from quantlab_resources.artifacts.files.durable_files import storage_errors, sync_directory

    aside = _free_name(path.with_name(f"{path.stem}-{at:%Y%m%dT%H%M%SZ}{path.suffix}"))
    with storage_errors(path):
        was_there = path.exists()
        if was_there:
            os.link(path, aside)
        for suffix in SIDE_FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
        new.replace(path)
    sync_directory(path.parent)
    return aside if was_there else None


def copy_manifest(source: Path, target: Path, *, continuing: Path | None = None) -> int:
    """Write the manifest of one moment to ``target``, while others may publish; the number of its last event.

    With ``continuing``, an older copy, the last event of that must be in the new one too. ``target`` is checked whole;
    where anything is raised it is not there. Raises ConflictError (another past than the older copy's), IntegrityError,
    LakeNotFoundError (of the earlier store), StorageError.
    """
    _remove(target)
    try:
        with closing(open_manifest(source)) as live, closing(apsw.Connection(str(target))) as copy:
            check_version(live, str(source))
            with copy.backup("main", live, "main") as pages:
                pages.step()  # all at once, which is one moment; writers go on in the WAL
            check_whole(copy, target)
            if continuing is not None:
                _check_continues(copy, continuing)
            return int(copy.execute(_LAST_EVENT).get)
    except BaseException as error:
        _remove(target)
        if isinstance(error, apsw.Error):
            raise StorageError(f"{source} cannot be copied to {target}: {error}; the lake is as it was") from error
        raise


def _check_continues(copy: apsw.Connection, older: Path) -> None:
    with closing(open_manifest(older)) as connection:
        last = connection.execute("SELECT seq, sha256 FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    if last is not None and copy.execute("SELECT 1 FROM events WHERE seq = ? AND sha256 = ?", last).fetchone() is None:
        raise ConflictError(
            f"{older} is of another lake, or of this one before its past was changed; nothing was changed, name a new"
            " folder for the backup"
        )


def check_output(output: Path, building: Path, *, own: Sequence[Path]) -> None:
    """Raise ConflictError when ``output`` or the file it is built as is there, InvalidInputError when it would be in no
    folder or in one of the lake's ``own``."""
    for path in (output, building):
        if os.path.lexists(path):
            raise ConflictError(f"{path} exists; nothing was changed, move it away or name another file")
    folder = output.absolute().parent.resolve()
    if not folder.is_dir():
        raise InvalidInputError(f"{output}: there is no folder {folder}; nothing was changed, make it or name another")
    if any(folder.is_relative_to(place.resolve()) for place in own):
        raise InvalidInputError(f"{output} is among the lake's own files; nothing was changed, name another")


def put_beside(new: Path, output: Path) -> None:
    """Give ``new`` the name ``output``, which must be free. Raises ConflictError, StorageError."""
    from quantlab_resources.artifacts.files.durable_files import storage_errors, sync_directory

    with storage_errors(output):
        try:
            os.link(new, output)
        except FileExistsError:
            raise ConflictError(f"{output} exists; nothing was changed, name another file") from None
        finally:
            new.unlink()
    sync_directory(output.parent)


def take_wal_in(aside: Path) -> None:
    """Make a whole manifest that was set aside one file."""
    with suppress(apsw.Error), closing(open_manifest(aside)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def files_of(manifest: Path) -> list[Path]:
    """The manifest and, if it is there, its WAL."""
    return [path for suffix in ("", "-wal") if (path := manifest.with_name(manifest.name + suffix)).exists()]


def _free_name(path: Path) -> Path:
    names = (path.with_stem(f"{path.stem}-{number}") for number in count(2))
    return next(name for name in chain([path], names) if not name.exists())


def _remove(path: Path) -> None:
    from quantlab_resources.artifacts.files.durable_files import storage_errors

    for suffix in ("", "-journal", *SIDE_FILES):
        file = path.with_name(path.name + suffix)
        with storage_errors(file):
            file.unlink(missing_ok=True)


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.is_file() and wal.stat().st_size > 0
