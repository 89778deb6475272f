"""How a lake stands: how much of what, on which disk, what is damaged, what is stale, what a crash left behind.

Rows are counted, and file sizes compared with one listing; no file is opened (`verification` does that). What cannot be
told because the manifest is damaged is None, and `LakeStatus.problem` says what to do.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import apsw

from quantlab_core.artifacts.artifact_files import QUARANTINE, RAW_FILES, STAGING
from quantlab_core.errors import IntegrityError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.manifest.manifest_schema import schema_version
from quantlab_resources.artifacts.upkeep.last_verification import LastVerification, last_verification
from quantlab_resources.artifacts.upkeep.staleness import StaleCounts, stale_counts
from quantlab_resources.artifacts.upkeep.stored_files_check import (
    FolderUse,
    StoredFilesCheck,
    check_stored_files,
    folder_use,
)
from quantlab_resources.folder_listing import files_below

Answer = TypeVar("Answer")

_BY_TYPE = """
SELECT artifact_type, sum(status = 'active'), sum(status = 'superseded'), sum(status = 'tombstoned'),
    sum(row_count), sum(coalesce(byte_size, 0)),
    min(CASE WHEN status = 'active' THEN min_ts END), max(CASE WHEN status = 'active' THEN max_ts END)
FROM artifacts GROUP BY artifact_type ORDER BY artifact_type
"""
_HEADS = "SELECT artifact_type, count(*) FROM artifact_heads GROUP BY artifact_type"
_EXPERIMENTS = """
SELECT status, count(*) FROM experiment_journal
WHERE seq IN (SELECT max(seq) FROM experiment_journal GROUP BY experiment_id) GROUP BY status ORDER BY status
"""
_NOT_ADOPTED = """
SELECT count(*) FROM artifacts
WHERE published_seq IS NULL AND artifact_id NOT IN (SELECT artifact_id FROM adoptions)
"""


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """All artifacts of one type. ``byte_size`` counts their Parquet files; it is unknown, and 0, for adopted ones.

    ``first_ts`` and ``last_ts`` span the times in the active ones: UTC text, None for tables without time.
    """

    artifact_type: str
    active: int
    superseded: int
    tombstoned: int
    heads: int
    rows: int
    byte_size: int
    first_ts: str | None
    last_ts: str | None


@dataclass(frozen=True, slots=True)
class ManifestStatus:
    """What the rows say. ``experiments`` counts them by the status at which they stand; ``not_adopted`` counts rows
    that the earlier store's writer has put there since."""

    schema_version: int
    last_sequence: int
    types: tuple[TypeStatus, ...]
    experiments: Mapping[str, int]
    not_adopted: int


@dataclass(frozen=True, slots=True)
class PartStatus:
    """What one part of the lake takes up. ``path`` is where it is: a path, or an address."""

    name: str
    path: str
    byte_size: int


@dataclass(frozen=True, slots=True)
class DiskStatus:
    """A file system that holds parts of the lake: their bytes, and how much room is left on it."""

    parts: tuple[str, ...]
    byte_size: int
    free: int
    total: int


@dataclass(frozen=True, slots=True)
class LakeStatus:
    """``manifest``, ``files`` and ``stale`` are None where a damaged manifest hides them; ``problem`` then says so.

    ``staging_files`` and ``quarantined`` count files.
    """

    home: Path
    problem: str | None
    manifest: ManifestStatus | None
    files: StoredFilesCheck | None
    stale: StaleCounts | None
    verification: LastVerification | None
    staging_files: int
    quarantined: int
    parts: tuple[PartStatus, ...]
    disks: tuple[DiskStatus, ...]


def lake_status(store: ParquetArtifactStore) -> LakeStatus:
    """The status of the store's lake. Raises LakeNotFoundError, ConflictError for a manifest of a newer quantlab."""
    problems: list[str] = []

    def told(question: Callable[[], Answer]) -> Answer | None:
        """The answer, unless the manifest is too damaged to give it."""
        try:
            return question()
        except IntegrityError as error:
            problems.append(str(error))
            return None

    manifest = told(lambda: _manifest_status(store))
    stale = told(lambda: stale_counts(store))
    checked = told(lambda: _checked_files(store))
    files, uses = (None, folder_use(store.files.list_files())) if checked is None else checked
    parts = _parts(store, uses)
    return LakeStatus(
        home=store.paths.home,
        problem=problems[0] if problems else None,
        manifest=manifest,
        files=files,
        stale=stale,
        verification=last_verification(store.paths),
        staging_files=uses[STAGING].files,
        quarantined=uses[QUARANTINE].files,
        parts=parts,
        disks=_disks(parts),
    )


def _manifest_status(store: ParquetArtifactStore) -> ManifestStatus:
    with store.manifest.reading() as connection:
        return ManifestStatus(
            schema_version=schema_version(connection),
            last_sequence=store.last_sequence(),
            types=tuple(_types(connection)),
            experiments=dict(connection.execute(_EXPERIMENTS)),
            not_adopted=connection.execute(_NOT_ADOPTED).get,
        )


def _types(connection: apsw.Connection) -> list[TypeStatus]:
    heads: dict[str, int] = dict(connection.execute(_HEADS))
    return [
        TypeStatus(name, active, superseded, tombstoned, heads.get(name, 0), rows, byte_size, first_ts, last_ts)
        for name, active, superseded, tombstoned, rows, byte_size, first_ts, last_ts in connection.execute(_BY_TYPE)
    ]


def _checked_files(store: ParquetArtifactStore) -> tuple[StoredFilesCheck, dict[str, FolderUse]]:
    with store.manifest.reading() as connection:
        return check_stored_files(connection, store.files.list_files())


def _parts(store: ParquetArtifactStore, uses: Mapping[str, FolderUse]) -> tuple[PartStatus, ...]:
    paths, files = store.paths, store.files
    local = {
        "manifest": paths.manifest_db.parent,
        "projections": paths.projection_cache,
        "experiment index": paths.experiment_db.parent,
        "dagster": paths.home / "dagster",
    }
    elsewhere = {paths.artifacts_root, *local.values()}
    return (
        *(PartStatus(name, str(folder), _bytes_below(folder)) for name, folder in local.items()),
        PartStatus("artifacts", files.location(""), uses[""].byte_size),
        PartStatus("raw files", files.location(RAW_FILES), uses[RAW_FILES].byte_size),
        PartStatus("quarantine", files.location(QUARANTINE), uses[QUARANTINE].byte_size),
        PartStatus("staging", files.location(STAGING), uses[STAGING].byte_size),
        PartStatus("everything else", str(paths.home), _bytes_below(paths.home, without=elsewhere)),
    )


def _bytes_below(folder: Path, *, without: Collection[Path] = ()) -> int:
    return sum(byte_size for _, byte_size in files_below(folder, without=without))


def _disks(parts: tuple[PartStatus, ...]) -> tuple[DiskStatus, ...]:
    """The file systems of the parts that have local paths, in the order of the parts."""
    on: dict[int, tuple[Path, list[PartStatus]]] = {}
    for part in parts:
        path = Path(part.path)
        existing = next((folder for folder in (path, *path.parents) if folder.exists()), None)
        if path.is_absolute() and existing is not None:
            on.setdefault(existing.stat().st_dev, (existing, []))[1].append(part)
    disks = []
    for folder, here in on.values():
        room = shutil.disk_usage(folder)
        byte_size = sum(part.byte_size for part in here)
        disks.append(DiskStatus(tuple(part.name for part in here), byte_size, room.free, room.total))
    return tuple(disks)
