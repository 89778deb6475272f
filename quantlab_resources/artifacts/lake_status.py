"""How a lake stands: what it holds by type, its experiments by status, and what each part takes up.

The counts come from the manifest and cost a few milliseconds; nothing is verified here (see `verification`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.artifacts.artifact_files import QUARANTINE, RAW_FILES, STAGING
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.folder_listing import files_below

_BY_TYPE = """
SELECT a.artifact_type, a.status, count(*), sum(a.row_count), sum(coalesce(a.byte_size, 0)), count(h.artifact_id)
FROM artifacts a
LEFT JOIN artifact_heads h
    ON h.artifact_type = a.artifact_type AND h.logical_key = a.logical_key AND h.artifact_id = a.artifact_id
GROUP BY a.artifact_type, a.status
ORDER BY a.artifact_type, a.status
"""


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """All artifacts of one type. ``byte_size`` counts their Parquet files; it is unknown, and 0, for adopted ones."""

    artifact_type: str
    active: int
    superseded: int
    tombstoned: int
    heads: int
    rows: int
    byte_size: int


@dataclass(frozen=True, slots=True)
class PartStatus:
    """What one part of the lake takes up. ``path`` is where it is: a path, or an address."""

    name: str
    path: str
    byte_size: int


@dataclass(frozen=True, slots=True)
class LakeStatus:
    """``experiments`` counts them by the status at which they stand."""

    home: Path
    types: tuple[TypeStatus, ...]
    experiments: Mapping[str, int]
    parts: tuple[PartStatus, ...]


def lake_status(store: ParquetArtifactStore) -> LakeStatus:
    """The status of the store's lake. Raises LakeNotFoundError, IntegrityError for a damaged manifest."""
    with store.manifest.reading() as connection:
        counted = list(connection.execute(_BY_TYPE))
    experiments: dict[str, int] = {}
    for entry in store.journal.list_latest():
        experiments[entry.status.value] = experiments.get(entry.status.value, 0) + 1
    return LakeStatus(
        home=store.paths.home,
        types=tuple(_type_status(name, counted) for name in dict.fromkeys(row[0] for row in counted)),
        experiments=dict(sorted(experiments.items())),
        parts=_parts(store),
    )


def _type_status(name: str, counted: list[tuple[str, str, int, int, int, int]]) -> TypeStatus:
    rows = [row for row in counted if row[0] == name]
    by_status = {status: number for _, status, number, *_ in rows}
    return TypeStatus(
        artifact_type=name,
        active=by_status.get(ArtifactStatus.ACTIVE.value, 0),
        superseded=by_status.get(ArtifactStatus.SUPERSEDED.value, 0),
        tombstoned=by_status.get(ArtifactStatus.TOMBSTONED.value, 0),
        heads=sum(row[5] for row in rows),
        rows=sum(row[3] for row in rows),
        byte_size=sum(row[4] for row in rows),
    )


def _parts(store: ParquetArtifactStore) -> tuple[PartStatus, ...]:
    paths, files = store.paths, store.files
    below: Counter[str] = Counter()
    for file in files.list_files():
        folder = file.name.partition("/")[0]
        below[folder if folder in (RAW_FILES, QUARANTINE, STAGING) else ""] += file.byte_size
    local = {
        "manifest": paths.manifest_db.parent,
        "projections": paths.projection_cache,
        "experiment index": paths.experiment_db.parent,
        "dagster": paths.home / "dagster",
    }
    elsewhere = {paths.artifacts_root, *local.values()}
    return (
        *(PartStatus(name, str(folder), _bytes_below(folder)) for name, folder in local.items()),
        PartStatus("artifacts", files.location(""), below[""]),
        PartStatus("raw files", files.location(RAW_FILES), below[RAW_FILES]),
        PartStatus("quarantine", files.location(QUARANTINE), below[QUARANTINE]),
        PartStatus("staging", files.location(STAGING), below[STAGING]),
        PartStatus("everything else", str(paths.home), _bytes_below(paths.home, without=elsewhere)),
    )


def _bytes_below(folder: Path, *, without: Collection[Path] = ()) -> int:
    return sum(byte_size for _, byte_size in files_below(folder, without=without))
