"""Dagster's event log in SQLite, written in batches and without waiting for the disk each time.

As it comes, Dagster opens and closes two files for each event, compiles its statements anew and waits for the disk
several times: 16 to 22 ms an event, and several events for each partition of a run. Here the file that all runs share
stays open, statements are compiled once, and the events of a batch are one transaction per file. SQLite's write-ahead
log with ``synchronous=NORMAL`` cannot damage a file. What a power failure can take are the last events, and those are
reported again from the manifest (`quantlab lake sync-dagster`, the sensor `reconcile_events`). A run's own file is
still closed after each write, because Dagster's UI follows a run by watching that file change.

This module touches Dagster's storage classes; canary tests hold it to the installed release.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import finalize

import sqlalchemy as sa
from dagster._core.events import ASSET_EVENTS
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy.pool import NullPool, StaticPool

from quantlab_resources.dagster_io.run_event_file import is_made

MOST_ENGINES = 8
"""Files whose compiled statements are kept: those of the latest runs."""
BATCH_VARIABLE, BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE", "500"
"""Dagster hands over single events unless this variable says how many may wait for each other."""


class LakeEventLogStorage(SqliteEventLogStorage):
    """Dagster's own event log storage with the same files and tables, only faster."""

    def __init__(self, base_dir: str) -> None:
        os.environ.setdefault(BATCH_VARIABLE, BATCH_SIZE)
        self._engines: dict[tuple[int, str], sa.Engine] = {}
        self._known_tables: set[str] = set()
        finalize(self, _dispose_all, self._engines)
        super().__init__(base_dir)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the events in order: those of each run and those of all assets in one transaction each."""
        plain = [event for event in events if event.dagster_event_type not in ASSET_EVENTS]
        for event in plain:
            self.store_event(event)
        of_assets = [event for event in events if event.dagster_event_type in ASSET_EVENTS]
        statements = [self.prepare_insert_event(event) for event in of_assets]
        for run_id in dict.fromkeys(event.run_id for event in of_assets):
            with self.run_connection(run_id) as connection:
                for event, statement in zip(of_assets, statements, strict=True):
                    if event.run_id == run_id:
                        connection.execute(statement)
        with self.index_transaction() as connection:
            ids = [_number(connection.execute(statement).inserted_primary_key) for statement in statements]
            self._store_asset_event_tags(connection, of_assets, ids)
            # What is kept of an asset is its last event of a kind: the earlier ones of the batch need not be written.
            last = {(_asset(event), event.dagster_event_type): place for place, event in enumerate(of_assets)}
            for place in sorted(last.values()):
                self._store_asset_event(connection, of_assets[place], ids[place])

    def has_table(self, table_name: str) -> bool:
        """Whether the table is there; Dagster asks at every event, and tables do not go."""
        if table_name not in self._known_tables and super().has_table(table_name):
            self._known_tables.add(table_name)
        return table_name in self._known_tables

    def wipe(self) -> None:
        """Delete all events."""
        self._known_tables.clear()
        super().wipe()

    def dispose(self) -> None:
        """Close the files."""
        super().dispose()
        with self._db_lock:
            _dispose_all(self._engines)

    def _has_asset_key_col_on_connection(self, conn: sa.Connection, column_name: str) -> bool:
        known = f"{column_name} of an asset"
        if known not in self._known_tables and super()._has_asset_key_col_on_connection(conn, column_name):
            self._known_tables.add(known)
        return known in self._known_tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                if not is_made(engine):
                    self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> sa.Engine:
        # A process that was forked off must not use its parent's open file: SQLite's locks would not hold.
        place = (os.getpid(), shard)
        engine = self._engines.pop(place, None)
        if engine is None:
            engine = self._new_engine(shard)
        self._engines[place] = engine
        while len(self._engines) > MOST_ENGINES:
            oldest = next(key for key in self._engines if key[1] != INDEX_SHARD_NAME)
            self._engines.pop(oldest).dispose()
        return engine

    def _new_engine(self, shard: str) -> sa.Engine:
        stays_open = shard == INDEX_SHARD_NAME
        engine = sa.create_engine(
            self.conn_string_for_shard(shard),
            poolclass=StaticPool if stays_open else NullPool,
            connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS, "check_same_thread": not stays_open},
        )
        sa.event.listen(engine, "connect", _do_not_wait_for_the_disk)
        return engine


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")


def _dispose_all(engines: dict[tuple[int, str], sa.Engine]) -> None:
    while engines:
        (pid, _), engine = engines.popitem()
        engine.dispose(close=pid == os.getpid())


def _number(primary_key: Any) -> int:
    return int(primary_key[0])


def _asset(event: EventLogEntry) -> str:
    key = event.get_dagster_event().asset_key
    return "" if key is None else key.to_string()
