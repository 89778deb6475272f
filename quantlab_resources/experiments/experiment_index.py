"""The DuckDB index of experiments (``EXPERIMENT_DB``): for people who ask with SQL. Deleting it loses nothing.

DuckDB lets one process write and shuts writers out while anybody reads. So the file is opened for moments only, a lock
conflict is retried and then skipped, and whatever was skipped is caught up by the next `ExperimentIndex.sync`.

Only a file that carries the table `MARKER` is ever replaced: the path is the user's, and so may be what lies there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from itertools import count
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from quantlab_core.errors import QuantlabError, StorageError, first_line
from quantlab_resources.advisory_lock import locked
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import (
    link_without_replacing,
    make_directory,
    storage_errors,
    sync_directory,
)
from quantlab_resources.experiments.experiment_index_rows import INDEX_VERSION, MARKER, TABLES, ExperimentRows, rows_of
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_resources.projections.duckdb_file import remove_duckdb_file, writing_duckdb_file

RETRY_S = 3.0
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.2
_ROWS = "new_rows"
_LOCKED = "Could not set lock on file"
"""In DuckDB's message when another process has the file open; its other I/O errors mean that this is no DuckDB file."""
_log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class _Found(Enum):
    """What lies where the index belongs."""

    CURRENT = auto()
    OTHER_VERSION = auto()
    FOREIGN = auto()


class ExperimentIndex:
    """Keeps the tables of `experiment_index_rows` up to date with the journal and the artifacts."""

    def __init__(
        self,
        store: ParquetArtifactStore,
        tracker: ArtifactExperimentTracker,
        path: Path,
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._tracker = tracker
        self._path = path
        self._retry_s = retry_s

    def sync(self) -> bool:
        """Bring the index up to the journal: rows of changed experiments are replaced. Makes the file if it is absent.

        Returns False, with a warning in the log, when the file could not be written because others kept it open or the
        disk refused; the experiments themselves are not touched by that. An index of another version is built anew;
        a file that is no index is set aside before that.
        """
        try:
            if not (self._path.is_file() and self._when_free(self._sync_in_place)):
                self.reindex()
        except (duckdb.Error, StorageError) as error:
            reason = first_line(error)
            _log.warning("the experiment index %s was not updated (the next sync catches up): %s", self._path, reason)
            return False
        return True

    def reindex(self) -> None:
        """Build the index from nothing, from manifest and artifacts alone, and swap it in; readers do not hinder it.

        What lies there and is no index is renamed to ``<name>.set-aside-<n>``, with a warning in the log.
        Raises StorageError when the file cannot be written, or cannot be looked at because another process writes it.
        """
        make_directory(self._path.parent)
        temporary = self._path.with_name(f".{self._path.name}.building")
        with locked(self._path.with_name(f".{self._path.name}.lock")):
            self._make_way()
            remove_duckdb_file(temporary)
            with writing_duckdb_file(self._path, temporary) as connection:
                _create_tables(connection)
                self._update(connection)

    def _make_way(self) -> None:
        """Set aside what must not be replaced. To be called with the lock held."""
        if not self._path.is_file():
            return
        try:
            found = self._when_free(self._look)
        except duckdb.Error as error:
            reason = first_line(error)
            raise StorageError(f"cannot look into {self._path}: {reason}; it is unchanged; try again") from error
        if found is _Found.FOREIGN:
            aside = _set_aside(self._path)
            _log.warning("%s is no index of experiments and was set aside as %s; an index is built", self._path, aside)

    def _when_free(self, action: Callable[[], Answer]) -> Answer:
        """Do ``action`` as soon as nobody else has the file open; its error is raised when the time for that is up."""
        deadline, pause = time.monotonic() + self._retry_s, _FIRST_PAUSE_S
        while True:
            try:
                return action()
            except duckdb.Error as error:
                if not _is_busy(error) or time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _look(self) -> _Found:
        """What the file is, without changing a byte of it. Raises StorageError when it must not be read."""
        with storage_errors(self._path), self._path.open("rb"):
            pass
        try:
            with duckdb.connect(str(self._path), read_only=True) as connection:
                columns = connection.execute(
                    "SELECT table_name, column_name FROM duckdb_columns() "
                    "WHERE NOT internal ORDER BY table_name, column_index"
                ).fetchall()
                if (MARKER, "version") not in columns:
                    return _Found.FOREIGN
                versions = connection.execute(f"SELECT version FROM {MARKER}").fetchall()  # noqa: S608
        except duckdb.Error as error:
            if _is_busy(error) or isinstance(error, duckdb.OutOfMemoryException):
                raise
            return _Found.FOREIGN
        is_current = columns == sorted_columns() and versions == [(INDEX_VERSION,)]
        return _Found.CURRENT if is_current else _Found.OTHER_VERSION

    def _sync_in_place(self) -> bool:
        """Update the tables; False when the file is no undamaged index of this version."""
        if self._look() is not _Found.CURRENT:
            return False
        try:
            with duckdb.connect(str(self._path)) as connection:
                self._update(connection)
        except duckdb.IOException as error:
            if _is_busy(error):
                raise
            return False
        return True

    def _update(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables say what the journal says, in one transaction."""
        connection.begin()
        query = "SELECT experiment_id, journal_seq FROM experiments"
        indexed: dict[str, int] = dict(connection.execute(query).fetchall())
        journaled = {entry.experiment_id: entry.seq for entry in self._store.journal.list_latest()}
        outdated = {key for key in indexed.keys() | journaled.keys() if indexed.get(key) != journaled.get(key)}
        if outdated:
            _delete(connection, sorted(outdated))
            present = sorted(outdated & journaled.keys())
            _insert(connection, [rows for key in present for rows in self._rows(key, journaled[key])])
        connection.commit()

    def _rows(self, experiment_id: str, seq: int) -> list[ExperimentRows]:
        try:
            return [rows_of(self._store, self._tracker.get(experiment_id), seq)]
        except QuantlabError as error:
            _log.warning("experiment %s is left out of the index: %s", experiment_id, error)
            return []


def _is_busy(error: duckdb.Error) -> bool:
    if isinstance(error, duckdb.IOException):
        return _LOCKED in str(error)
    return isinstance(error, duckdb.ConnectionException | duckdb.TransactionException)


def _set_aside(path: Path) -> Path:
    """Give the file, with its write-ahead log, the first free name beside it; nothing is overwritten on the way."""
    log = _write_ahead_log(path)
    for number in count(1):
        aside = path.with_name(f"{path.name}.set-aside-{number}")
        if _write_ahead_log(aside).exists() or not link_without_replacing(path, aside):
            continue
        if log.exists():
            link_without_replacing(log, _write_ahead_log(aside))
        sync_directory(path.parent)
        with storage_errors(path):
            log.unlink(missing_ok=True)
            path.unlink()
        return aside
    raise AssertionError("numbers do not end")


def _write_ahead_log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


def sorted_columns() -> list[tuple[str, str]]:
    """(table, column) of the whole index, tables by name, columns in order."""
    tables = {MARKER: ("version",), **TABLES}
    return [(table, column) for table in sorted(tables) for column in tables[table]]


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"CREATE TABLE {MARKER} AS SELECT ? AS version", [INDEX_VERSION])
    for table, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")


def _delete(connection: duckdb.DuckDBPyConnection, experiment_ids: Sequence[str]) -> None:
    for table in TABLES:
        connection.execute(f"DELETE FROM {table} WHERE experiment_id IN (SELECT unnest(?))", [experiment_ids])  # noqa: S608


def _insert(connection: duckdb.DuckDBPyConnection, experiments: Sequence[ExperimentRows]) -> None:
    for table, columns in TABLES.items():
        rows = [row for experiment in experiments for row in experiment.tables[table]]
        if rows:
            # Row by row, DuckDB inserts a few thousand rows a second; a sweep has many more metrics than that.
            arrays = {name: [row[position] for row in rows] for position, name in enumerate(columns)}
            connection.register(_ROWS, pa.table(arrays))
            connection.execute(f"INSERT INTO {table} SELECT * FROM {_ROWS}")  # noqa: S608
            connection.unregister(_ROWS)
