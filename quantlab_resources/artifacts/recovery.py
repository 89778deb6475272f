"""Recovery: what a crash can leave behind, found and cleared away.

A crash before the commit leaves at most staging files, files of an artifact that no row names, and one event file
without a row. None of them was ever visible. Recovery never touches a file that the manifest names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantlab_core.errors import StorageError
from quantlab_resources.artifacts.artifact_files import resolve
from quantlab_resources.artifacts.durable_files import make_directory, storage_errors, sync_directory
from quantlab_resources.artifacts.event_files import event_path
from quantlab_resources.artifacts.manifest import Manifest
from quantlab_resources.artifacts.writers_lock import cleaning_up
from quantlab_resources.lake_paths import LakePaths

if TYPE_CHECKING:
    from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was cleared: staging files and event files removed, orphans moved to ``_quarantine/orphans``."""

    staging_files: tuple[Path, ...]
    event_files: tuple[Path, ...]
    orphans: tuple[Path, ...]

    @property
    def is_clean(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.staging_files or self.event_files or self.orphans)


def recover(store: ParquetArtifactStore, *, wait_s: float = 30.0) -> RecoveryReport:
    """Clear what crashes left behind; waits up to ``wait_s`` seconds until nobody publishes.

    Files that no row names are moved to ``_quarantine/orphans``, not deleted: publishing their content again makes them
    anew. Raises StorageError when publishers stay busy or the disk refuses, LakeNotFoundError when there is no lake.
    """
    store.manifest.check()
    with cleaning_up(store.paths, wait_s=wait_s) as is_alone:
        if not is_alone:
            raise StorageError(f"{store.paths.writers_lock}: others are publishing; nothing was changed, repeat later")
        return RecoveryReport(
            staging_files=tuple(_remove_staging_files(store.paths)),
            event_files=tuple(_remove_uncommitted_events(store.paths, store.manifest)),
            orphans=tuple(_move_orphans(store.paths, store.manifest)),
        )


def clear_leftovers(paths: LakePaths, manifest: Manifest) -> None:
    """The cheap part, done by a store before its first publish: staging files and the next event, if alone."""
    if not (_names(paths.staging) or _next_event(paths, manifest).exists()):
        return
    with cleaning_up(paths, wait_s=0.0) as is_alone:
        if is_alone:
            list(_remove_staging_files(paths))
            _remove(_next_event(paths, manifest))


def _next_event(paths: LakePaths, manifest: Manifest) -> Path:
    """Where the event of the next transaction will be; a file there was never committed."""
    return event_path(paths.events, _last_event(manifest) + 1)


def _last_event(manifest: Manifest) -> int:
    with manifest.reading() as connection:
        last: int = connection.execute("SELECT coalesce(max(seq), 0) FROM events").get
    return last


def _names(folder: Path) -> list[Path]:
    with storage_errors(folder):
        return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _remove_staging_files(paths: LakePaths) -> Iterator[Path]:
    for path in _names(paths.staging):
        _remove(path)
        yield path


def _uncommitted_events(paths: LakePaths, manifest: Manifest) -> list[Path]:
    """Event files after the last committed one, and staged ones; leftovers only while nobody else publishes."""
    last_name = event_path(paths.events, _last_event(manifest)).name
    names = _names(paths.events)
    return [path for path in names if path.name > last_name or path.name.startswith("staged-")]


def _remove_uncommitted_events(paths: LakePaths, manifest: Manifest) -> Iterator[Path]:
    for path in _uncommitted_events(paths, manifest):
        _remove(path)
        yield path


def _remove(path: Path) -> None:
    with storage_errors(path):
        path.unlink(missing_ok=True)


def _move_orphans(paths: LakePaths, manifest: Manifest) -> Iterator[Path]:
    root = paths.artifacts_root
    with manifest.reading() as connection:
        stored = [
            path for row in connection.execute("SELECT path_parquet, path_sidecar FROM artifacts") for path in row
        ]
        raw = {
            row[0].rpartition("sha256=")[2]
            for row in connection.execute("SELECT logical_key FROM artifacts WHERE artifact_type = 'raw_file_v1'")
        }
    registered = {resolve(paths, path) for path in stored} | {paths.raw_files / sha256 for sha256 in raw}
    for path in _artifact_files(paths):
        if path not in registered:
            _move(path, paths.quarantine / "orphans" / path.relative_to(root))
            yield path


def _artifact_files(paths: LakePaths) -> list[Path]:
    """Every file where artifacts and raw files live, in order."""
    with storage_errors(paths.artifacts_root):
        folders = [
            entry for entry in paths.artifacts_root.iterdir() if entry.is_dir() and not entry.name.startswith("_")
        ]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sorted(files)


def _move(path: Path, target: Path) -> None:
    make_directory(target.parent)
    with storage_errors(path):
        path.replace(target)
    sync_directory(target.parent)
    sync_directory(path.parent)
