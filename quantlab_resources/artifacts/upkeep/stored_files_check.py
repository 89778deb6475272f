"""Whether the files that the manifest names are there with their sizes, from one listing and without reading a byte.

The listing goes into a temporary table and is compared there, so that memory does not grow with the lake. It is taken
after the rows: what is being published meanwhile may count as not registered, never as missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from quantlab_core.artifacts.artifact_files import QUARANTINE, RAW_FILES, STAGING, StoredFile
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_resources.artifacts.files.file_names import name_in_lake

MOST_NAMES = 5
"""So many names of missing files, and of files of another size, are given as examples."""


@dataclass(frozen=True, slots=True)
class FolderUse:
    """How many files lie in one folder of the artifact files, and their bytes."""

    files: int
    byte_size: int


@dataclass(frozen=True, slots=True)
class StoredFilesCheck:
    """What the listing says. Files whose bytes were collected are not missing. Sizes are known for tables alone."""

    registered: int
    missing: int
    of_other_size: int
    orphans: int
    examples: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all files are there and no size differs."""
        return not (self.missing or self.of_other_size)


_BEGIN = """
DROP TABLE IF EXISTS temp.found;
DROP VIEW IF EXISTS temp.named;
CREATE TEMP TABLE found (name TEXT PRIMARY KEY, byte_size INTEGER, is_named INTEGER DEFAULT 0) WITHOUT ROWID;
"""


def _name(column: str) -> str:
    return f"CASE WHEN {column} LIKE '/%' THEN stored_name({column}) ELSE {column} END"


_NAMED = f"""
CREATE TEMP VIEW named AS
SELECT {_name("path_parquet")} AS name, byte_size, artifact_id FROM artifacts
WHERE artifact_id NOT IN (SELECT artifact_id FROM collections)
UNION ALL SELECT {_name("path_sidecar")}, NULL, artifact_id FROM artifacts
UNION ALL SELECT '{RAW_FILES}/' || substr(logical_key, -64), NULL, artifact_id FROM artifacts
WHERE artifact_type = '{RAW_FILE.name}' AND artifact_id NOT IN (SELECT artifact_id FROM collections)
"""  # noqa: S608 - fixed text


def folder_use(files: Iterable[StoredFile]) -> dict[str, FolderUse]:
    """What lies in `RAW_FILES`, `QUARANTINE` and `STAGING`, and under ``""`` everywhere else."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for file in files:
        folder = _folder_of(file.name)
        counts[folder] += 1
        sizes[folder] += file.byte_size
    return _uses(counts, sizes)


def check_stored_files(
    connection: apsw.Connection, files: Iterable[StoredFile]
) -> tuple[StoredFilesCheck, dict[str, FolderUse]]:
    """Compare ``files``, a listing of all, with the rows of the connection's transaction; also as `folder_use`."""
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()

    def rows() -> Iterator[tuple[str, int]]:
        for file in files:
            folder = _folder_of(file.name)
            counts[folder] += 1
            sizes[folder] += file.byte_size
            if folder in ("", RAW_FILES):
                yield file.name, file.byte_size

    connection.execute("SELECT 1 FROM artifacts LIMIT 1").fetchall()  # from here on the rows stand still
    connection.create_scalar_function("stored_name", _stored_name, 1, deterministic=True)
    connection.execute(_BEGIN)
    connection.execute(_NAMED)
    connection.executemany("INSERT OR IGNORE INTO temp.found (name, byte_size) VALUES (?, ?)", rows())
    connection.execute("UPDATE temp.found SET is_named = 1 FROM temp.named n WHERE n.name = found.name")
    compared: tuple[int, int, int] = connection.execute(
        "SELECT count(*), coalesce(sum(f.name IS NULL), 0), coalesce(sum(f.byte_size <> n.byte_size), 0)"
        " FROM temp.named n LEFT JOIN temp.found f ON f.name = n.name"
    ).get
    orphans = connection.execute("SELECT count(*) FROM temp.found WHERE NOT is_named AND substr(name, 1, 1) <> '_'").get
    registered, missing, of_other_size = compared
    examples: tuple[str, ...] = ()
    if missing or of_other_size:
        examples = tuple(
            row[0]
            for row in connection.execute(
                "SELECT n.name FROM temp.named n LEFT JOIN temp.found f ON f.name = n.name"
                " WHERE f.name IS NULL OR f.byte_size <> n.byte_size ORDER BY n.name LIMIT ?",
                (MOST_NAMES,),
            )
        )
    return StoredFilesCheck(registered, missing, of_other_size, orphans, examples), _uses(counts, sizes)


def _uses(counts: Mapping[str, int], sizes: Mapping[str, int]) -> dict[str, FolderUse]:
    return {name: FolderUse(counts.get(name, 0), sizes.get(name, 0)) for name in ("", RAW_FILES, QUARANTINE, STAGING)}


def _folder_of(name: str) -> str:
    folder = name.partition("/")[0]
    return folder if folder in (RAW_FILES, QUARANTINE, STAGING) else ""


def _stored_name(*path: Any) -> str | None:
    """The name that an absolute path of the earlier store stands for; None for one that names no file of the lake."""
    return name_in_lake(str(path[0]))
