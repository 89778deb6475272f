"""The manifest: a SQLite ledger of every artifact.

One connection per process and thread, made when it is needed, never used on the other side of a fork, and left when a
rebuilt manifest has taken the place of the file. Writers queue up behind ``BEGIN IMMEDIATE`` for at most 30 s.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.clock import Clock
from quantlab_core.errors import IntegrityError, LakeNotFoundError, QuantlabError, StorageError
from quantlab_resources.artifacts.manifest.manifest_file import (
    BUSY_TIMEOUT_MS,
    KnownState,
    held_still,
    identity_of,
    open_manifest,
)
from quantlab_resources.artifacts.manifest.manifest_schema import (
    EARLIER_STORE_VERSION,
    check_version,
    migrate,
    schema_version,
)
from quantlab_resources.lake_paths import LakePaths

# What only writers need is loaded when something is written: who only reads need not wait for it.
if TYPE_CHECKING:
    from quantlab_core.artifacts.artifact_files import ArtifactFiles
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

_kept_across_fork: list[apsw.Connection] = []
"""Connections of the parent process: closing them in a child could checkpoint under the parent's feet."""


class Manifest:
    """Opens the manifest of one lake for reading and for writing transactions.

    With ``files``, where the artifacts are, it finishes what a crash interrupted (see `interrupted_event`) when it is
    opened and before it writes. Without them it only reads.
    """

    def __init__(self, paths: LakePaths, *, clock: Clock, files: ArtifactFiles | None = None) -> None:
        self._paths = paths
        self._clock = clock
        self._files = files
        self._local = threading.local()

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self._paths.manifest_db

    def create(self) -> list[str]:
        """Make the manifest if there is none and apply missing migrations. Returns the names of those applied.

        Raises IntegrityError where there are event files of a manifest that is gone: their numbers must not be given
        again.
        """
        from quantlab_resources.artifacts.files.durable_files import make_directory

        make_directory(self.path.parent)
        make_directory(self._paths.events)
        if not self.path.is_file():
            self._refuse_events_without_rows()
        with self._sqlite_errors():
            connection = open_manifest(self.path, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            try:
                if schema_version(connection) <= EARLIER_STORE_VERSION:
                    self._refuse_events_without_rows()
                connection.execute("PRAGMA journal_mode = WAL")
                return migrate(connection, at=format_timestamp(self._clock.now()))
            finally:
                connection.close()

    def check_not_of_earlier_store(self) -> None:
        """Raise LakeNotFoundError where the manifest is the earlier store's: only its adoption may change it."""
        if not self.path.is_file():
            return
        with self._sqlite_errors():
            connection = open_manifest(self.path)
            try:
                if schema_version(connection) == EARLIER_STORE_VERSION:
                    check_version(connection, str(self.path))
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
        """One transaction: committed, with its event file, when the block ends; undone when it raises.

        Raises IntegrityError when there are events beyond the manifest that cannot be taken in.
        """
        from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

        with self._sqlite_errors():
            connection = self._locked_connection()
            transaction = ManifestTransaction(connection, self._paths.events, self._clock.now())
            try:
                yield transaction
                transaction.commit()
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def held_still(self) -> Iterator[KnownState | None]:
        """Keep every writer out within the block; yields what the manifest says, None if it cannot be trusted."""
        self.close()
        with self._sqlite_errors(), held_still(self.path) as known:
            yield known

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
        if connection is not None and self._local.process_id != os.getpid():
            _kept_across_fork.append(connection)
            connection = None
        identity = identity_of(self.path)
        if connection is not None:
            if self._local.identity == identity or connection.in_transaction:
                return connection
            self.close()
        if identity is None:
            self._refuse_events_without_rows()
            raise LakeNotFoundError(
                f"lake not found: there is no manifest at {self.path}; make one with `quantlab demo`,"
                " `quantlab alerts ingest` or `quantlab lake init`, or name another home"
            )
        connection = open_manifest(self.path)
        if schema_version(connection) == 0:
            self._refuse_events_without_rows()
        check_version(connection, str(self.path))
        self._local.connection, self._local.process_id, self._local.identity = connection, os.getpid(), identity
        self._finish_if_alone(connection)
        return connection

    def _locked_connection(self) -> apsw.Connection:
        """A connection that holds the write lock of the file that is the manifest now, with nothing left unfinished."""
        while True:
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                is_current = self._local.identity == identity_of(self.path)
                if is_current and not self._finish(connection):
                    return connection
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _finish(self, connection: apsw.Connection) -> bool:
        """Whether there was an interrupted event: its rows are made now, for the caller to commit."""
        from quantlab_resources.artifacts.events.interrupted_event import replay_interrupted

        return self._files is not None and replay_interrupted(connection, self._paths.events, self._files)

    def _finish_if_alone(self, connection: apsw.Connection) -> None:
        """Let readers see what a crash interrupted. Where that fails or another writes, the next writer does it."""
        if self._files is None or connection.open_flags & apsw.SQLITE_OPEN_READONLY:
            return
        from quantlab_resources.artifacts.events.event_files import has_event
        from quantlab_resources.artifacts.events.interrupted_event import next_number

        if not has_event(self._paths.events, next_number(connection)):
            return
        connection.set_busy_timeout(0)
        try:
            with suppress(QuantlabError, apsw.Error):
                connection.execute("BEGIN IMMEDIATE")
                self._finish(connection)
                connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)

    def _refuse_events_without_rows(self) -> None:
        from quantlab_resources.artifacts.events.event_files import event_numbers

        number = next(event_numbers(self._paths.events), None)
        if number is not None:
            raise IntegrityError(
                f"{self.path} is gone or empty but {self._paths.events} has the events of what it held; nothing was"
                " changed; `quantlab lake rebuild-manifest` makes it anew"
            )

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        try:
            yield
        except (apsw.CorruptError, apsw.NotADBError, apsw.SQLError, apsw.FormatError, apsw.MismatchError) as error:
            raise IntegrityError(
                f"{self.path} is damaged ({error}); artifacts, sidecars and event files are safe and hold what it held:"
                " `quantlab lake rebuild-manifest` makes it anew"
            ) from error
        except (apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError) as error:
            raise StorageError(
                f"{self.path}: {error}; what was published before is safe, check space and permissions"
            ) from error
        except (apsw.BusyError, apsw.LockedError, apsw.ProtocolError) as error:
            raise StorageError(
                f"{self.path} was held by another writer for {BUSY_TIMEOUT_MS // 1000} s; nothing was changed, repeat"
            ) from error
