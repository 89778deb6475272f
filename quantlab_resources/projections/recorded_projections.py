"""Where projections and their records are, and which files are ours.

A record lies in the folder ``projections`` of the lake as ``<id>.json``, with the size and time of the file that it is
about; so most questions are answered without opening DuckDB. Where these differ (a crash came between the rename of the
file and that of its record), the copy inside the file counts.

Lakes may share a cache folder. A record says of which lake it is, by the path of the manifest; a file of another lake
whose manifest is still there is not ours. Two locks are held: the lake's, for the record, and one beside the file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from quantlab_core.errors import ConflictError, ProjectionNotFoundError, StorageError
from quantlab_core.projections.projection_builder import ProjectionForm, ProjectionRequest
from quantlab_resources.advisory_lock import locked, locked_unless_held
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
    """The records in one folder, and the projections that they are about, of the lake of ``manifest``."""

    def __init__(self, folder: Path, default_cache: Path, manifest: Path) -> None:
        self._folder = folder
        self._default_cache = default_cache
        self._manifest = manifest

    @contextmanager
    def locked(self, projection_id: str, request: ProjectionRequest | None = None) -> Iterator[None]:
        """Hold the locks of the projection, where it is and where it is asked for; waits for others. Raises
        StorageError."""
        with ExitStack() as held:
            held.enter_context(locked(self._lake_lock(projection_id)))
            for path in self._file_locks(projection_id, request):
                held.enter_context(locked(path))
            yield

    @contextmanager
    def locked_unless_held(self, projection_id: str) -> Iterator[bool]:
        """Hold the locks of the projection; yields False when another holds one of them. Raises StorageError."""
        with ExitStack() as held:
            is_free = held.enter_context(locked_unless_held(self._lake_lock(projection_id)))
            yield is_free and all(
                held.enter_context(locked_unless_held(path)) for path in self._file_locks(projection_id, None)
            )

    def of_this_lake(self, record: ProjectionRecord) -> ProjectionRecord:
        """The record as one of a projection that this lake built."""
        folder = self.path_of(record).parent
        return replace(record, lake=os.path.relpath(self._manifest.resolve(), folder.resolve()))

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
        if inside is None or inside.projection_id != projection_id or self._other_lake(inside, path):
            return outside
        return inside

    def get(self, projection_id: str) -> ProjectionRecord:
        """The record of the projection. Raises ProjectionNotFoundError."""
        record = self.find(projection_id)
        if record is None:
            raise ProjectionNotFoundError(
                f"projection not found: {projection_id} was never built in the lake of {self._folder}"
            )
        return record

    def is_there(self, record: ProjectionRecord) -> bool:
        """Whether the file or dataset of the record is on disk, and not another's in its place."""
        path = self.path_of(record)
        try:
            self.check_ours(record.projection_id, path)
        except ConflictError:
            return False
        return _marker(path).is_file()

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
        """Raise ConflictError when something lies at ``path`` that is not this lake's projection, whole or damaged."""
        if not os.path.lexists(path):
            return
        outside, stamp = self._outside(projection_id)
        is_recorded = outside is not None and self.path_of(outside) == path
        inside = outside if is_recorded and stamp == _stamp(path) else _inside(path)
        if inside is not None and inside.projection_id == projection_id:
            if other := self._other_lake(inside, path):
                raise ConflictError(
                    f"{path} is a projection of the lake of {other}, not of {self._manifest}, and is left alone;"
                    " choose another projection id or cache folder"
                )
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
        if not self.is_there(record):
            return None
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

    def _lake_lock(self, projection_id: str) -> Path:
        return self._folder / f".{projection_id}.lock"

    def _file_locks(self, projection_id: str, request: ProjectionRequest | None) -> list[Path]:
        """In one order for all, so that nobody waits for who waits for him; none where the folder is gone."""
        record = self.find(projection_id)
        asked = None if request is None else self.path(projection_id, request.form, request.cache_dir)
        path = self.path(projection_id, "duckdb", None) if record is None else self.path_of(record)
        folders = {path.parent.resolve()} if path.parent.is_dir() else set()
        if asked is not None:
            folders.add(asked.parent.resolve())
        return [folder / f".{projection_id}.file-lock" for folder in sorted(folders)]

    def _other_lake(self, record: ProjectionRecord, path: Path) -> Path | None:
        """The manifest of another lake that the projection at ``path`` is of; None where that is gone."""
        manifest = path.parent / (record.lake or "")
        try:
            is_other = record.lake is not None and not manifest.samefile(self._manifest)
        except (OSError, ValueError):
            return None
        return manifest.resolve() if is_other else None

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
