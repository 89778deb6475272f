"""Where projections and their records are, and which files are ours.

A record lies in the folder ``projections`` of the lake as ``<id>.json``, with the size and time of the file that it is
about; so most questions are answered without opening DuckDB. Where these differ (a crash came between the rename of the
file and that of its record), the copy inside the file counts.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from quantlab_core.errors import ConflictError, ProjectionNotFoundError, StorageError
from quantlab_core.projections.projection_builder import ProjectionForm
from quantlab_resources.artifacts.files.durable_files import replace_durably, storage_errors
from quantlab_resources.folder_listing import files_below
from quantlab_resources.projections.bucketed_dataset import MARKER, remove_dataset
from quantlab_resources.projections.duckdb_file import embedded_text, remove_duckdb_file
from quantlab_resources.projections.projection_record import ProjectionRecord, decode_record, encode_record

_STAMP = "file"


@dataclass(frozen=True, slots=True)
class DiskUse:
    """What a projection takes on disk, and when it was last read or built (UTC)."""

    byte_size: int
    last_used: datetime


class RecordedProjections:
    """The records in one folder, and the projections that they are about."""

    def __init__(self, folder: Path, default_cache: Path) -> None:
        self._folder = folder
        self._default_cache = default_cache

    def lock_path(self, projection_id: str) -> Path:
        """The file whose lock whoever builds or deletes the projection holds."""
        return self._folder / f".{projection_id}.lock"

    def path(self, projection_id: str, form: ProjectionForm, cache_dir: str | None) -> Path:
        """The DuckDB file, or the folder of the dataset."""
        folder = self._default_cache if cache_dir is None else Path(cache_dir)
        return folder / (f"{projection_id}.duckdb" if form == "duckdb" else projection_id)

    def path_of(self, record: ProjectionRecord) -> Path:
        """The DuckDB file, or the folder of the dataset, of a record."""
        return self.path(record.projection_id, record.form, record.cache_dir)

    def cache_dir(self, asked: str | None) -> str | None:
        """The folder that was asked for as it is recorded: absolute, None for the lake's own."""
        if asked is None:
            return None
        folder = Path(asked).expanduser().absolute()
        return None if folder == self._default_cache else str(folder)

    def find(self, projection_id: str) -> ProjectionRecord | None:
        """The record of the projection, whether its file is there or not; None where there is none."""
        outside, stamp = self._outside(projection_id)
        path = (
            self.path(projection_id, "duckdb", None)
            if outside is None
            else self.path(projection_id, outside.form, outside.cache_dir)
        )
        if outside is not None and stamp == _stamp(path):
            return outside
        inside = _inside(path)
        return inside if inside is not None and inside.projection_id == projection_id else outside

    def get(self, projection_id: str) -> ProjectionRecord:
        """The record of the projection. Raises ProjectionNotFoundError."""
        record = self.find(projection_id)
        if record is None:
            raise ProjectionNotFoundError(
                f"projection not found: {projection_id} was never built in the lake of {self._folder}"
            )
        return record

    def is_there(self, record: ProjectionRecord) -> bool:
        """Whether the file or dataset of the record is on disk."""
        return _marker(self.path_of(record)).is_file()

    def all(self) -> list[ProjectionRecord]:
        """Every record by id; also those that only the files in the lake's own cache still have."""
        ids = {path.stem for path in _listed(self._folder, "[A-Za-z0-9]*.json")}
        ids |= {path.stem for path in _listed(self._default_cache, "[A-Za-z0-9]*.duckdb")}
        return [record for record in map(self.find, sorted(ids)) if record is not None]

    def save(self, record: ProjectionRecord) -> None:
        """Replace the record durably. Raises StorageError."""
        value = json.loads(encode_record(record)) | {_STAMP: _stamp(self.path_of(record))}
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        replace_durably(self._folder / f"{record.projection_id}.json", text.encode())

    def check_ours(self, projection_id: str, path: Path) -> None:
        """Raise ConflictError when something lies at ``path`` that is not this projection, whole or damaged."""
        if not os.path.lexists(path):
            return
        outside, stamp = self._outside(projection_id)
        is_recorded = outside is not None and self.path_of(outside) == path
        if is_recorded and stamp == _stamp(path):
            return
        inside = _inside(path)
        if inside is not None and inside.projection_id == projection_id:
            return
        if not is_recorded or _is_whole(path):
            raise ConflictError(f"{path} was not built by quantlab and is left alone; choose another projection id")

    def remove(self, record: ProjectionRecord) -> None:
        """Delete the file or dataset; readers that have it open keep it. The record stays. Raises ConflictError."""
        path = self.path_of(record)
        self.check_ours(record.projection_id, path)
        if record.form == "duckdb":
            remove_duckdb_file(path)
        else:
            remove_dataset(path)

    def disk_use(self, record: ProjectionRecord) -> DiskUse | None:
        """Size and last use; None where the file is gone.

        A file counts as used when it is opened through `DuckDBProjectionBuilder.open`, when it is built, and whenever
        another program's reading moves its time of access (with the usual mount option ``relatime``: once a day).
        """
        path = self.path_of(record)
        try:
            if record.form == "duckdb":
                status = path.stat()
                return DiskUse(status.st_size, _instant(max(status.st_atime, status.st_mtime)))
            files = [(size, Path(name).stat()) for name, size in files_below(path.resolve(strict=True))]
            latest = max(max(status.st_atime, status.st_mtime) for _, status in files)
            return DiskUse(sum(size for size, _ in files), _instant(latest))
        except (OSError, ValueError):
            return None

    def note_use(self, record: ProjectionRecord, now: datetime) -> None:
        """Remember that the projection was used: the time of access of its file, which no mount option suppresses."""
        marker = _marker(self.path_of(record))
        with suppress(OSError):  # somebody else's file: then the kernel's own time of access has to do
            os.utime(marker, ns=(int(now.timestamp() * 1e9), marker.stat().st_mtime_ns))

    def _outside(self, projection_id: str) -> tuple[ProjectionRecord | None, list[int] | None]:
        try:
            text = (self._folder / f"{projection_id}.json").read_text(encoding="utf-8")
            stamp = json.loads(text).get(_STAMP)
        except (OSError, ValueError, AttributeError):
            return None, None
        return decode_record(text), stamp


def _listed(folder: Path, pattern: str) -> list[Path]:
    with storage_errors(folder):
        return list(folder.glob(pattern)) if folder.is_dir() else []


def _marker(path: Path) -> Path:
    """The file whose presence, time and content stand for the projection."""
    return path / MARKER if path.is_dir() else path


def _stamp(path: Path) -> list[int] | None:
    try:
        status = _marker(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _inside(path: Path) -> ProjectionRecord | None:
    marker = _marker(path)
    try:
        text = marker.read_text(encoding="utf-8") if path.is_dir() else embedded_text(path)
    except (OSError, ValueError, StorageError):
        return None
    return None if text is None else decode_record(text)


def _is_whole(path: Path) -> bool:
    """Whether what lies at ``path`` can be read as what it is: then it is somebody's, and not our damaged file."""
    if path.is_dir():
        return not (path / MARKER).exists()
    try:
        embedded_text(path)
    except StorageError:
        return False
    return True


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
