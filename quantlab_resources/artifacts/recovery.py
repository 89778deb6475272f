"""Recovery: what a crash can leave behind, found and cleared away.

A crash before the commit leaves at most staging files, files of an artifact that no row names, and one event file
without a row. None of them was ever visible. Recovery never touches a file that the manifest names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantlab_core.artifacts.artifact_files import STAGING, ArtifactFiles
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.errors import StorageError
from quantlab_resources.artifacts.event_files import event_path, has_event, remove_leftover, uncommitted_events
from quantlab_resources.artifacts.file_names import raw_file_name
from quantlab_resources.artifacts.writers_lock import cleaning_up

if TYPE_CHECKING:
    from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """Where it was: staging files and event files that were removed, orphans that were put in quarantine."""

    staging_files: tuple[str, ...]
    event_files: tuple[Path, ...]
    orphans: tuple[str, ...]

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
            staging_files=tuple(_discard_staged(store.files)),
            event_files=tuple(_remove_uncommitted_events(store)),
            orphans=tuple(_set_orphans_aside(store)),
        )


def clear_leftovers(store: ParquetArtifactStore) -> None:
    """The cheap part, done by a store before its first publish: staging files and the next event, if alone."""
    events = store.paths.events
    if not (any(store.files.list_files(STAGING)) or has_event(events, store.last_sequence() + 1)):
        return
    with cleaning_up(store.paths, wait_s=0.0) as is_alone:
        if is_alone:
            list(_discard_staged(store.files))
            # An event file with the next number was never committed.
            remove_leftover(event_path(events, store.last_sequence() + 1))


def _discard_staged(files: ArtifactFiles) -> Iterator[str]:
    for name in sorted(file.name for file in files.list_files(STAGING)):
        files.discard_staged(name)
        yield files.location(name)


def _remove_uncommitted_events(store: ParquetArtifactStore) -> Iterator[Path]:
    for path in uncommitted_events(store.paths.events, store.last_sequence()):
        remove_leftover(path)
        yield path


def _set_orphans_aside(store: ParquetArtifactStore) -> Iterator[str]:
    with store.manifest.reading() as connection:
        stored = [
            name for row in connection.execute("SELECT path_parquet, path_sidecar FROM artifacts") for name in row
        ]
        keys = [
            row[0]
            for row in connection.execute("SELECT logical_key FROM artifacts WHERE artifact_type = ?", (RAW_FILE.name,))
        ]
    stored += [raw_file_name(parse_key(RAW_FILE, key)["sha256"]) for key in keys]
    registered = {store.files.location(name) for name in stored}
    for name in sorted(file.name for file in store.files.list_files() if not file.name.startswith("_")):
        location = store.files.location(name)
        if location not in registered:
            store.files.set_aside(name, f"orphans/{name}")
            yield location
