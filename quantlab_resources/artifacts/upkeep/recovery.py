"""Recovery: what a crash can leave behind, found and cleared away.

A crash before the commit leaves at most staging files, files of an artifact that no row names, and one event file
without a row. Recovery never touches a file that the manifest names, or one of the earlier store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import apsw

from quantlab_core.artifacts.artifact_files import STAGING, ArtifactFiles
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.content_hash import PREFIX
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.errors import (
    ArtifactMissingError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    LogicalKeyError,
    StorageError,
)
from quantlab_resources.artifacts.events.event_files import has_event, remove_staged_files, set_event_aside
from quantlab_resources.artifacts.events.interrupted_event import next_number
from quantlab_resources.artifacts.files.file_names import raw_file_name
from quantlab_resources.artifacts.files.owner_of_files import claim
from quantlab_resources.artifacts.files.sidecar import read_sidecar
from quantlab_resources.artifacts.manifest.manifest import Manifest
from quantlab_resources.artifacts.writers_lock import cleaning_up

if TYPE_CHECKING:
    from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore


MOST_ORPHANS = 100
"""So many whole artifacts without a row are put in quarantine also where the manifest has fewer."""


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What was done, by location.

    ``staging_files`` were removed. ``finished_event`` is the number of the event whose commit a crash had prevented:
    it counts now. ``events_set_aside`` could not be finished. ``orphans`` were put in quarantine;
    ``left_to_adoption`` are files of the earlier store that no row names: they stay.
    """

    staging_files: tuple[str, ...]
    finished_event: int | None
    events_set_aside: tuple[Path, ...]
    orphans: tuple[str, ...]
    left_to_adoption: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether there was nothing to do."""
        return not (self.staging_files or self.finished_event or self.events_set_aside or self.orphans)


def recover(store: ParquetArtifactStore, *, wait_s: float = 30.0) -> RecoveryReport:
    """Clear what crashes left behind; waits up to ``wait_s`` seconds until nobody publishes.

    Files that no row names are moved to ``_quarantine/orphans``, not deleted: publishing their content again makes them
    anew. Raises StorageError when publishers stay busy or the disk refuses, LakeNotFoundError when there is no lake,
    IntegrityError when the manifest is older than its events, ConflictError when nearly nothing that is there is named
    by a row: then the manifest lost its rows, or the files are another's.
    """
    # Without files this one leaves the interrupted event to be seen, and to be finished by the store.
    onlooker = Manifest(store.paths, clock=store.clock)
    onlooker.check()
    with cleaning_up(store.paths, wait_s=wait_s) as is_alone:
        if not is_alone:
            raise StorageError(f"{store.paths.writers_lock}: others are publishing; nothing was changed, repeat later")
        with onlooker.reading() as connection:
            interrupted = next_number(connection)
        onlooker.close()
        finished, set_aside = _settle(store, interrupted)
        staged = [*_discard_staged(store.files), *map(str, remove_staged_files(store.paths.events))]
        orphans, left = _set_orphans_aside(store)
        return RecoveryReport(
            staging_files=tuple(staged),
            finished_event=finished,
            events_set_aside=set_aside,
            orphans=tuple(sorted(orphans)),
            left_to_adoption=tuple(sorted(left)),
        )


def clear_leftovers(store: ParquetArtifactStore) -> None:
    """The cheap part, done by a store before its first publish: staging files, if nobody else publishes.

    Raises IntegrityError when nothing can be published, before anything is written, ConflictError when the artifacts
    belong to another manifest.
    """
    claim(store.paths)
    with store.manifest.reading() as connection:
        following = next_number(connection)
    if has_event(store.paths.events, following):
        with store.manifest.writing():
            pass
    if not any(store.files.list_files(STAGING)):
        return
    with cleaning_up(store.paths, wait_s=0.0) as is_alone:
        if is_alone:
            list(_discard_staged(store.files))


def _settle(store: ParquetArtifactStore, interrupted: int) -> tuple[int | None, tuple[Path, ...]]:
    """Finish the event of this number, or set it aside; which of the two happened, if it is there."""
    events = store.paths.events
    was_there = has_event(events, interrupted)
    try:
        with store.manifest.writing():
            pass
    except IntegrityError:
        if not was_there or has_event(events, interrupted + 1):
            raise
        return None, (set_event_aside(events, interrupted),)
    return interrupted if was_there else None, ()


def _discard_staged(files: ArtifactFiles) -> Iterator[str]:
    for name in sorted(file.name for file in files.list_files(STAGING)):
        files.discard_staged(name)
        yield files.location(name)


def _set_orphans_aside(store: ParquetArtifactStore) -> tuple[list[str], list[str]]:
    """Locations of the orphans, which are in quarantine now, and of those that the earlier store wrote, which stay."""
    orphans: list[str] = []
    left: list[str] = []
    names: list[str] = []
    with store.manifest.reading() as connection:
        _note_registered(connection, store.files)
        for file in store.files.list_files():
            location = store.files.location(file.name)
            if file.name.startswith("_") or _is_registered(connection, location):
                continue
            if _is_of_earlier_store(store.files, file.name):
                left.append(location)
                continue
            names.append(file.name)
        connection.execute("DROP TABLE temp.registered")
        _check_not_a_lost_manifest(store, names, connection.execute("SELECT count(*) FROM artifacts").get)
    for name in names:
        store.files.set_aside(name, f"orphans/{name}")
        orphans.append(store.files.location(name))
    return orphans, left


def _check_not_a_lost_manifest(store: ParquetArtifactStore, names: Sequence[str], registered: int) -> None:
    """Raise ConflictError when there are far more whole artifacts without a row than with one: no crash leaves that."""
    pairs = sum(name.endswith(".json") for name in names)
    if pairs > max(MOST_ORPHANS, registered):
        raise ConflictError(
            f"{store.paths.artifacts_root} has {pairs:,} artifacts without a row, more than the {registered:,} of"
            f" {store.paths.manifest_db}: it lost its rows or is another lake's; none was moved;"
            " `quantlab lake rebuild-manifest --salvage` takes them in"
        )


def _note_registered(connection: apsw.Connection, files: ArtifactFiles) -> None:
    """Fill a temporary table, which SQLite keeps on disk, with the locations of everything that the manifest names."""
    connection.execute("CREATE TEMP TABLE registered (location TEXT PRIMARY KEY) WITHOUT ROWID")
    insert = "INSERT OR IGNORE INTO temp.registered (location) VALUES (?)"
    connection.executemany(
        insert,
        (
            (files.location(name),)
            for row in connection.execute("SELECT path_parquet, path_sidecar FROM artifacts")
            for name in row
        ),
    )
    raw_keys = connection.execute("SELECT logical_key FROM artifacts WHERE artifact_type = ?", (RAW_FILE.name,))
    connection.executemany(insert, ((files.location(name),) for (key,) in raw_keys if (name := _raw_name(key))))


def _raw_name(logical_key: str) -> str | None:
    """Name of the raw file of this key; None for a key that the earlier store's writer wrote in its own way."""
    try:
        return raw_file_name(parse_key(RAW_FILE, logical_key)["sha256"])
    except (LogicalKeyError, InvalidInputError):
        return None


def _is_registered(connection: apsw.Connection, location: str) -> bool:
    found = connection.execute("SELECT 1 FROM temp.registered WHERE location = ?", (location,)).fetchone()
    return found is not None


def _is_of_earlier_store(files: ArtifactFiles, name: str) -> bool:
    """Whether a file belongs to a pair whose sidecar holds a content hash that is not ours."""
    try:
        sidecar = read_sidecar(files, str(PurePosixPath(name).with_suffix(".json")))
    except ArtifactMissingError:
        return False
    identity = (sidecar or {}).get("identity")
    content_hash = identity.get("content_hash") if isinstance(identity, dict) else None
    return isinstance(content_hash, str) and not content_hash.startswith(PREFIX)
