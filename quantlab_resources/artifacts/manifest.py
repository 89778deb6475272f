"""The manifest: a SQLite ledger of every artifact. The only module that opens it.

One connection per process and thread, made when it is needed and never used on the other side of a fork. WAL with
``synchronous=FULL``: a commit that returned is on disk. Writers queue up behind ``BEGIN IMMEDIATE`` for at most 30 s.
The bundled SQLite of `apsw` is used because versions before 3.51.3 can lose commits when several processes write in
WAL mode.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.clock import Clock
from quantlab_core.errors import IntegrityError, LakeNotFoundError, StorageError
from quantlab_resources.artifacts.manifest_schema import check_version, migrate
from quantlab_resources.lake_paths import LakePaths

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest_transaction import ManifestTransaction

BUSY_TIMEOUT_MS = 30_000

_kept_across_fork: list[apsw.Connection] = []
"""Connections of the parent process: closing them in a child could checkpoint under the parent's feet."""


class Manifest:
    """Opens the manifest of one lake for reading and for writing transactions."""

    def __init__(self, paths: LakePaths, *, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._local = threading.local()

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self._paths.manifest_db

    def create(self) -> list[str]:
        """Make the manifest if there is none and apply missing migrations. Returns the names of those applied."""
        from quantlab_resources.artifacts.durable_files import make_directory

        make_directory(self.path.parent)
        make_directory(self._paths.events)
        with self._sqlite_errors():
            connection = _opened(self.path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                return migrate(connection, at=format_timestamp(self._clock.now()))
            finally:
                connection.close()

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """A connection for queries; all queries of one block see the same state."""
        with self._sqlite_errors():
            connection = self._connection()
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if not connection.get_autocommit():
                    connection.execute("ROLLBACK")
                if connection.open_flags & apsw.SQLITE_OPEN_READONLY:
                    self.close()  # an immutable view must not outlive the question: a writer may come

    @contextmanager
    def writing(self) -> Iterator[ManifestTransaction]:
        """One transaction: committed, with its event file, when the block ends; undone when it raises."""
        # Who only reads need not wait until the code of every kind of change is loaded.
        from quantlab_resources.artifacts.manifest_transaction import ManifestTransaction

        with self._sqlite_errors():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            transaction = ManifestTransaction(connection, self._paths.events, self._clock.now())
            try:
                yield transaction
                transaction.commit()
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def check(self) -> None:
        """Raise LakeNotFoundError, ConflictError or IntegrityError unless there is a manifest that can be used."""
        with self._sqlite_errors():
            self._connection()

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and self._local.process_id == os.getpid():
            connection.close()
        self._local.connection = None

    def _connection(self) -> apsw.Connection:
        connection: apsw.Connection | None = getattr(self._local, "connection", None)
        if connection is not None and self._local.process_id == os.getpid():
            return connection
        if connection is not None:
            _kept_across_fork.append(connection)
        if not self.path.is_file():
            raise LakeNotFoundError(
                f"lake not found: there is no manifest at {self.path}; make one with `quantlab demo`,"
                " `quantlab alerts ingest` or `quantlab lake init`, or name another home"
            )
        connection = _opened(self.path, apsw.SQLITE_OPEN_READWRITE)
        check_version(connection, str(self.path))
        self._local.connection, self._local.process_id = connection, os.getpid()
        return connection

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        try:
            yield
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise IntegrityError(
                f"{self.path} is damaged ({error}); artifacts, sidecars and event files are safe and hold what it held:"
                f" copy {self.path.parent} aside and restore it from a backup"
            ) from error
        except (apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
            raise StorageError(
                f"{self.path}: {error}; what was published before is safe, check space and permissions"
            ) from error
        except (apsw.BusyError, apsw.LockedError) as error:
            raise StorageError(
                f"{self.path} was held by another writer for {BUSY_TIMEOUT_MS // 1000} s; nothing was changed, repeat"
            ) from error


def _opened(path: Path, flags: int) -> apsw.Connection:
    if not os.access(path.parent, os.W_OK) and not _has_wal(path):
        # SQLite cannot make its shared-memory file here; without a WAL the main file alone is the whole truth.
        connection = apsw.Connection(
            f"{path.absolute().as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
    else:
        connection = apsw.Connection(str(path), flags=flags)
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")
    return connection


def _has_wal(path: Path) -> bool:
    wal = path.with_name(path.name + "-wal")
    return wal.is_file() and wal.stat().st_size > 0
