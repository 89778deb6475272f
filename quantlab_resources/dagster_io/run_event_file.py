"""The file of a run's events, made as Dagster makes it, without asking Alembic each time.

Dagster makes one file for each run and looks all its migrations up for each, which takes longer than writing the events
of a small run. The tables and the revision are the same for every new file of a release, so they are looked up once a
process and written as they are.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import cast

import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy.pool import StaticPool


def is_made(engine: sa.Engine) -> bool:
    """Make the file of ``engine`` if it has no table yet; whether it has a revision, so that Dagster leaves it alone.

    Two processes may make the same file at once. What fails is for Dagster's own way to make it, which tries again.
    """
    with engine.connect() as connection:
        file = _opened(connection)
        try:
            if not _tables(file):
                file.execute("PRAGMA journal_mode=WAL")
                file.execute("BEGIN IMMEDIATE")
                for statement in () if _tables(file) else _statements():
                    file.execute(statement)
                file.commit()
            return "alembic_version" in _tables(file) and bool(file.execute("SELECT * FROM alembic_version").fetchall())
        except sqlite3.OperationalError:
            file.rollback()
            return False


@cache
def _statements() -> tuple[str, ...]:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    # It makes the file of the engine and asks the storage for nothing.
    SqliteEventLogStorage._initdb(object.__new__(SqliteEventLogStorage), engine)
    with engine.connect() as connection:
        return tuple(line for line in _opened(connection).iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;"))


def _opened(connection: sa.Connection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)


def _tables(file: sqlite3.Connection) -> set[str]:
    return {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
