"""The file of a run's events, made as Dagster makes it, without asking Alembic each time.

Dagster makes one file for each run and looks all its migrations up for each, which takes longer than writing the events
of a small run. The tables and the revision are the same for every new file of a release, so they are looked up once a
process and written as they are.
"""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy.pool import StaticPool

_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_REVISIONS = "SELECT version_num FROM alembic_version"


def is_made(engine: sa.Engine) -> bool:
    """Make the file of ``engine`` if it has no table yet; whether it has a revision, so that Dagster leaves it alone.

    Two processes may make the same file at once. What fails is for Dagster's own way to make it, which tries again.
    """
    with engine.connect() as connection:

        def column(query: str) -> list[str]:
            return [str(value) for value in connection.exec_driver_sql(query).scalars()]

        try:
            if not column(_TABLES):
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                if not column(_TABLES):
                    statements, revision = _empty_file()
                    for statement in statements:
                        connection.exec_driver_sql(statement)
                    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (revision,))
                connection.commit()
            return "alembic_version" in column(_TABLES) and bool(column(_REVISIONS))
        except sa.exc.OperationalError:
            return False


@cache
def _empty_file() -> tuple[tuple[str, ...], str]:
    """The statements that make an empty file, in the order in which Dagster makes it, and its revision."""
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    # It makes the file of the engine and asks the storage for nothing.
    SqliteEventLogStorage._initdb(object.__new__(SqliteEventLogStorage), engine)
    with engine.connect() as connection:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").scalars().all()
        revision = connection.exec_driver_sql(_REVISIONS).scalar_one()
    engine.dispose()
    return tuple(made), revision
