"""What tests of adoption compare: the old tree file by file, the manifest row by row."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from quantlab_resources.adoption.adopt_lake import adopt_lake
from quantlab_resources.adoption.adoption_report import AdoptionReport
from quantlab_resources.adoption.earlier_lake import earlier_lake
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import HandClock

OTHER_TABLES = ("artifact_heads", "head_changes", "adoptions", "events")
EARLIER_TABLES = ("artifacts", "artifact_lineage", "artifact_tags", "artifact_supersedes")


def store_at(home: Path) -> ParquetArtifactStore:
    """The store of a lake that need not be there yet."""
    return ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=HandClock())


def adopt(home: Path, *, into: Path | None = None, artifacts_root: Path | None = None) -> AdoptionReport:
    """Adopt the lake at ``home``, in place if not ``into`` another one, and let go of it again."""
    store = store_at(into or home)
    try:
        return adopt_lake(store, earlier_lake(home, artifacts_root))
    finally:
        store.close()


@contextmanager
def adopted(home: Path) -> Iterator[tuple[ParquetArtifactStore, AdoptionReport]]:
    """The lake at ``home``, adopted in place and open."""
    store = store_at(home)
    try:
        yield store, adopt_lake(store, earlier_lake(home))
    finally:
        store.close()


def files_as_they_are(folder: Path, *, without: str = "manifest") -> dict[str, tuple[int, int, int, int, str]]:
    """Mode, time of change, inode, size and hash of every file, but for the folder ``without``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(f"{without}/"):
            stat = path.stat()
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[name] = (stat.st_mode, stat.st_mtime_ns, stat.st_ino, stat.st_size, digest)
    return found


def earlier_rows(manifest: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the earlier store's tables, in the columns that it knew."""
    with closing(sqlite3.connect(manifest)) as connection:
        columns = (
            "artifact_id, artifact_type, schema_version, logical_key, status, path_parquet, path_sidecar, file_hash,"
            " content_hash, row_count, min_ts, max_ts, created_at"
        )
        named = {table: (columns if table == "artifacts" else "*") for table in EARLIER_TABLES}
        return {
            table: sorted(connection.execute(f"SELECT {names} FROM {table}").fetchall(), key=repr)  # noqa: S608
            for table, names in named.items()
        }


def all_rows_of(manifest: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table but the record of migrations."""
    with closing(sqlite3.connect(manifest)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608
            for table in tables
            if table != "schema_migrations"
        }
