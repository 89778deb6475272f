"""DuckDB files: how one is written and read.

DuckDB locks a file between processes: one writer excludes everybody, readers exclude the writer. So a file is never
changed in place: it is written under a temporary name, anew or on a copy, and swapped in by rename, while open readers
keep the old file.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from quantlab_core.errors import StorageError, first_line
from quantlab_resources.artifacts.files.durable_files import storage_errors, sync_directory, sync_file

MEMORY_LIMIT = "1GB"
"""What DuckDB may hold while it builds; beyond that it spills beside the file. The process takes about 0.4 GB more."""

_REFUSED_BY_THE_DISK = (
    duckdb.IOException,
    duckdb.OutOfMemoryException,
    duckdb.FatalException,  # a sync that failed
    duckdb.TransactionException,  # a commit whose log could not be written
)
_COPY_BYTES = 4 * 1024**2
_FICLONE = 0x40049409
"""Linux: let a file share the blocks of another; btrfs, XFS and others can."""


@contextmanager
def writing_duckdb_file(
    target: Path, temporary: Path, *, copy_of: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a file at ``temporary``, which replaces ``target`` when the block ends without an error.

    The file is new, or a copy of ``copy_of``. The content is durable before it becomes visible. After an error nothing
    is left and ``target`` is untouched.
    """
    try:
        if copy_of is not None:
            with storage_errors(target):
                _copy(copy_of, temporary)
        with _opened(temporary) as connection:
            yield connection
        with storage_errors(target):
            _replace_durably(temporary, target)
    except _REFUSED_BY_THE_DISK as error:
        raise StorageError(f"cannot write {target}: {first_line(error)}; what was there is unchanged") from error
    finally:
        remove_duckdb_file(temporary)


@contextmanager
def sorting_connection(spill_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection without a file, for sorting what is then written elsewhere; spills to ``spill_folder``."""
    with duckdb.connect(":memory:", config=_limits(spill_folder)) as connection:
        try:
            yield _in_utc(connection)
        except _REFUSED_BY_THE_DISK as error:
            raise StorageError(f"cannot write {spill_folder}: {first_line(error)}; nothing was changed") from error


def remove_duckdb_file(path: Path) -> None:
    """Delete a DuckDB file with its write-ahead log and spill folder, if they are there. Raises StorageError."""
    with storage_errors(path):
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.wal").unlink(missing_ok=True)
    shutil.rmtree(_spill_folder(path), ignore_errors=True)


def open_projection(path: Path | str) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the projection at ``path``; its tables can be named directly, times are shown in UTC.

    A reader keeps the file that it opened when the projection is rebuilt; open again to see the new one.
    Raises StorageError when the file is absent or no DuckDB file.
    """
    return open_read_only(Path(path))


def open_read_only(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a DuckDB file. Raises StorageError when it is absent, locked or no DuckDB file.

    The file is attached to a fresh in-memory database instead of being opened: ``duckdb.connect`` hands out the
    instance that the process already has under the same path, which after a swap would still be the old file.
    """
    connection = _in_utc(duckdb.connect(":memory:"))
    try:
        connection.execute(f"ATTACH {_text_literal(str(path))} AS quantlab_file (READ_ONLY)")
        connection.execute("USE quantlab_file")
    except duckdb.Error as error:
        connection.close()
        raise StorageError(f"cannot open {path}: {first_line(error)}") from error
    return connection


def embed_text(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Put the text of a projection's record into the DuckDB file that is being built, in place of an earlier one."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS quantlab")
    connection.execute("CREATE OR REPLACE TABLE quantlab.record (record VARCHAR)")
    connection.execute("INSERT INTO quantlab.record VALUES (?)", [text])


def embedded_text(path: Path) -> str | None:
    """The text of the record inside a DuckDB file; None when it has none. Raises StorageError as `open_read_only`."""
    with open_read_only(path) as connection:
        try:
            rows = connection.execute("SELECT record FROM quantlab.record").fetchall()
        except duckdb.Error:
            return None
    return str(rows[0][0]) if rows else None


@contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect(str(path), config=_limits(_spill_folder(path)))
    try:
        yield _in_utc(connection)
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def _copy(source: Path, target: Path) -> None:
    """Copy the bytes, sharing blocks where the file system can."""
    with source.open("rb") as read, target.open("wb") as written:
        try:
            fcntl.ioctl(written, _FICLONE, read.fileno())
        except OSError:
            shutil.copyfileobj(read, written, _COPY_BYTES)


def _limits(spill_folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {"temp_directory": str(spill_folder), "memory_limit": MEMORY_LIMIT}


def _in_utc(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    # The zone of the machine would leak into text casts and into the type of what is fetched. "LOAD icu" is offline:
    # the wheel contains it, but DuckDB 2.0 does not load it by itself.
    connection.execute("LOAD icu")
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _replace_durably(source: Path, target: Path) -> None:
    sync_file(source)
    source.replace(target)
    sync_directory(target.parent)


def _spill_folder(path: Path) -> Path:
    return path.with_name(f"{path.name}.spill")


def _text_literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
