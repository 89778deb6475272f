"""The DuckDB index of experiments (``EXPERIMENT_DB``): for people who ask with SQL. Deleting it loses nothing.

DuckDB lets one process write and shuts writers out while anybody reads. So the file is opened for moments only, a lock
conflict is retried and then skipped, and whatever was skipped is caught up by the next `ExperimentIndex.sync`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from quantlab_core.errors import QuantlabError, StorageError
from quantlab_resources.advisory_lock import locked
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.durable_files import make_directory
from quantlab_resources.experiments.experiment_index_rows import TABLES, ExperimentRows, rows_of
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_resources.projections.duckdb_file import remove_duckdb_file, writing_duckdb_file

RETRY_S = 3.0
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.2
_ROWS = "new_rows"
_LOCKED = "Could not set lock on file"
"""In DuckDB's message when another process has the file open; its other I/O errors mean that this is no DuckDB file."""
_log = logging.getLogger(__name__)


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
        disk refused; the experiments themselves are not touched by that. A file that is no index of this version is
        built anew.
        """
        try:
            if not self._path.is_file():
                self.reindex()
                return True
            return self._sync_with_retry()
        except (duckdb.Error, StorageError) as error:
            return self._skipped(error)

    def reindex(self) -> None:
        """Build the index from nothing, from manifest and artifacts alone, and swap it in; readers do not hinder it.

        Raises StorageError when the file cannot be written.
        """
        make_directory(self._path.parent)
        temporary = self._path.with_name(f".{self._path.name}.building")
        with locked(self._path.with_name(f".{self._path.name}.lock")):
            remove_duckdb_file(temporary)
            with writing_duckdb_file(self._path, temporary) as connection:
                _create_tables(connection)
                self._update(connection)

    def _sync_with_retry(self) -> bool:
        """Update the file as soon as nobody else has it open, within the time that is allowed."""
        deadline, pause = time.monotonic() + self._retry_s, _FIRST_PAUSE_S
        while True:
            try:
                is_ours = self._sync_in_place()
            except (duckdb.IOException, duckdb.ConnectionException, duckdb.TransactionException) as error:
                if isinstance(error, duckdb.IOException) and _LOCKED not in str(error):
                    is_ours = False
                elif time.monotonic() + pause > deadline:
                    return self._skipped(error)
                else:
                    time.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
                    continue
            if not is_ours:
                self.reindex()
            return True

    def _sync_in_place(self) -> bool:
        """Update the tables; False when the file does not have exactly the tables of this version."""
        with duckdb.connect(str(self._path)) as connection:
            columns = connection.execute(
                "SELECT table_name, column_name FROM duckdb_columns() "
                "WHERE NOT internal ORDER BY table_name, column_index"
            ).fetchall()
            if columns != sorted_columns():
                return False
            self._update(connection)
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

    def _skipped(self, error: Exception) -> bool:
        reason = str(error).splitlines()[0]
        _log.warning("the experiment index %s was not updated (the next sync catches up): %s", self._path, reason)
        return False


def sorted_columns() -> list[tuple[str, str]]:
    """(table, column) of the whole index, tables by name, columns in order."""
    return [(table, column) for table in sorted(TABLES) for column in TABLES[table]]


def _create_tables(connection: duckdb.DuckDBPyConnection) -> None:
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
