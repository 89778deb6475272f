"""A backup of a lake: everything that it cannot make again, of one moment, while others go on publishing.

The manifest comes first, through SQLite's own backup, so it is of one moment. What it names was on disk before it was
named, never changes, and is not removed while the backup holds the publishers' lock; so the files that are copied after
it include all that it names, and a few that came meanwhile. The manifest gets its place in the backup last: a backup
that was interrupted is the one before it, with files to spare.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.errors import ConflictError, InvalidInputError
from quantlab_resources.advisory_lock import locked_unless_held
from quantlab_resources.artifacts.events.event_files import event_path
from quantlab_resources.artifacts.files.durable_files import make_directory, replace_durably, storage_errors
from quantlab_resources.artifacts.manifest.manifest_file import SIDE_FILES, copy_manifest
from quantlab_resources.artifacts.writers_lock import publishing
from quantlab_resources.backup.dagster_storage_copy import copy_dagster_storage
from quantlab_resources.folder_listing import files_below
from quantlab_resources.lake_paths import LakePaths

MARK = "backup.json"
"""Says that a folder is a backup, of which moment; without it a folder that holds anything is left alone."""
_LOCK = "backup.lock"
_PARTIAL = ".partial"

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Copied:
    """Files that were copied (or linked) with their bytes, and those that the backup had already."""

    files: int = 0
    byte_size: int = 0
    there_already: int = 0


@dataclass(frozen=True, slots=True)
class BackupReport:
    """Where the backup is, up to which event it goes, and what was copied."""

    folder: Path
    last_event: int
    lake: Copied
    dagster: Copied


def paths_of_backup(folder: Path) -> LakePaths:
    """The lake that a backup is, whatever the environment says."""
    return LakePaths.from_environment(folder, environment={})


def back_up(
    paths: LakePaths, folder: Path, *, at: datetime, links: bool = False, progress: Progress | None = None
) -> BackupReport:
    """Copy the lake into ``folder``, which is new, empty, or an earlier backup of it: then only what is new.

    ``links`` makes hard links of artifact files where the file system is the same: at once and without room, but damage
    to a file is then damage to both. ``progress`` is told how many files are done. Projections, the index of
    experiments and reports are not copied: they are made again.
    Raises InvalidInputError (a folder in the lake or around it), ConflictError (a folder that holds something else, or
    another backup is under way), IntegrityError, StorageError.
    """
    _check_apart(paths, folder)
    _check_free_or_backup(folder)
    make_directory(folder)
    with locked_unless_held(folder / _LOCK) as is_alone:
        if not is_alone:
            raise ConflictError(f"{folder}: another backup is being made there; wait for it")
        return _back_up(paths, paths_of_backup(folder), at, links, progress or (lambda _done, _total: None))


def _back_up(source: LakePaths, target: LakePaths, at: datetime, links: bool, progress: Progress) -> BackupReport:
    for needed in (target.artifacts_root, target.events):
        make_directory(needed)
    new = target.manifest_db.with_suffix(".new")
    copied = Copied()
    with publishing(source):
        older = target.manifest_db if target.manifest_db.exists() else None
        last_event = copy_manifest(source.manifest_db, new, continuing=older)
        if not (target.home / MARK).exists():
            _mark(target, at, 0)
        files = list(_files_of(source, target, last_event))
        for done, (file, place, is_fixed) in enumerate(files):
            _copy(file, place, copied, is_fixed=is_fixed, links=links)
            progress(done + 1, len(files))
    os.sync()
    with storage_errors(target.manifest_db):
        for suffix in SIDE_FILES:
            target.manifest_db.with_name(target.manifest_db.name + suffix).unlink(missing_ok=True)
        new.replace(target.manifest_db)
    dagster = copy_dagster_storage(source.home / "dagster", target.home / "dagster")
    _mark(target, at, last_event)
    os.sync()
    return BackupReport(target.home, last_event, copied, Copied(*dagster))


def _files_of(source: LakePaths, target: LakePaths, last_event: int) -> Iterator[tuple[Path, Path, bool]]:
    """Each file to copy, its place in the backup, and whether nobody ever writes to it again."""
    without = (source.staging, source.quarantine)
    for path, _ in files_below(source.artifacts_root, without=without):
        relative = Path(path).relative_to(source.artifacts_root)
        if len(relative.parts) > 1:  # beside the folders lies at most the mark of the owner, which is the source's
            yield Path(path), target.artifacts_root / relative, True
    for number in range(1, last_event + 1):
        event = event_path(source.events, number)
        if event.exists():
            yield event, event_path(target.events, number), True
    for path, _ in files_below(source.projection_records):
        relative = Path(path).relative_to(source.projection_records)
        if relative.name.startswith("."):
            continue  # a lock
        yield Path(path), target.projection_records / relative, False


def _copy(file: Path, place: Path, copied: Copied, *, is_fixed: bool, links: bool) -> None:
    with storage_errors(place):
        size = file.stat().st_size
        if place.exists() and (place.stat().st_size == size if is_fixed else place.read_bytes() == file.read_bytes()):
            copied.there_already += 1
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(place.name + _PARTIAL)
        partial.unlink(missing_ok=True)
        if not (links and is_fixed and _linked(file, partial)):
            shutil.copy2(file, partial)
        partial.replace(place)
    copied.files += 1
    copied.byte_size += size


def _linked(file: Path, place: Path) -> bool:
    try:
        os.link(file, place)
    except OSError:
        return False  # another file system, or one without links: copied instead
    return True


def _mark(target: LakePaths, at: datetime, last_event: int) -> None:
    note = {"backup_of_a_quantlab_lake": 1, "at": format_timestamp(at), "last_event": last_event}
    replace_durably(target.home / MARK, json.dumps(note, indent=1).encode() + b"\n")


def _check_apart(paths: LakePaths, folder: Path) -> None:
    place = folder.absolute().resolve()
    own: Iterable[Path] = (paths.home, paths.artifacts_root, paths.manifest_db.parent, paths.projection_cache)
    for part in own:
        part = part.resolve()
        if place.is_relative_to(part) or part.is_relative_to(place):
            raise InvalidInputError(f"{folder} and the lake at {part} lie in one another; name a folder outside of it")


def _check_free_or_backup(folder: Path) -> None:
    with storage_errors(folder):
        if not folder.exists():
            return
        if not folder.is_dir():
            raise ConflictError(f"{folder} is no folder; nothing was changed, name a new one for the backup")
        names = {entry.name for entry in folder.iterdir()} - {_LOCK}
        if names and MARK not in names:
            raise ConflictError(
                f"{folder} is not empty and no earlier backup; nothing was changed, name a new folder for the backup"
            )
