"""The one event file beyond the manifest's last row: finished, or refused, never overwritten.

A crash between the event file and the commit leaves it; so does a manifest that was restored from a backup which was
made just before an acknowledged commit. The two cannot be told apart, and need not be: an event is written after the
files that it names are durable, so it can be replayed, and then both are as if the commit had succeeded. Nothing that
was acknowledged is lost, and what was not acknowledged is completely there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw

from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.errors import ArtifactMissingError, IntegrityError
from quantlab_resources.artifacts.changes import artifact_rows
from quantlab_resources.artifacts.changes.manifest_changes import replay_event
from quantlab_resources.artifacts.events.event_files import Event, event_path, has_event, read_event
from quantlab_resources.artifacts.files.stored_bytes import hash_and_size

_LAST = "SELECT coalesce(max(seq), 0) FROM events"


def next_number(connection: apsw.Connection) -> int:
    """The number of the next event."""
    return int(connection.execute(_LAST).get) + 1


def replay_interrupted(connection: apsw.Connection, events: Path, files: ArtifactFiles) -> bool:
    """Make the rows of the event that a crash interrupted; the caller holds the write lock and commits. False: none.

    Raises IntegrityError when it is damaged, when a file that it names is, or when there are more: then the manifest is
    older than its events.
    """
    seq = next_number(connection)
    if not has_event(events, seq):
        return False
    if has_event(events, seq + 1):
        raise IntegrityError(
            f"the manifest ends with event {seq - 1} but {event_path(events, seq + 1)} is there: it is an older copy;"
            " nothing was changed; `quantlab lake rebuild-manifest` takes the later events in"
        )
    event = read_interrupted(events, seq)
    for problem in unverified_files(files, event):
        raise IntegrityError(
            f"{event_path(events, seq)} was never committed and cannot be: {problem}; nothing was changed;"
            " `quantlab lake recover` sets the event aside"
        )
    try:
        replay_event(connection, event)
    except (apsw.ConstraintError, KeyError) as error:
        raise IntegrityError(
            f"{event_path(events, seq)} does not follow from the manifest ({error}); nothing was changed;"
            " `quantlab lake recover` sets the event aside"
        ) from error
    return True


def read_interrupted(events: Path, seq: int) -> Event:
    """The event beyond the manifest's last. Raises IntegrityError with what to do about a damaged one."""
    try:
        return read_event(events, seq)
    except IntegrityError as error:
        raise IntegrityError(
            f"{error}; it was never committed or the manifest is an older copy; `quantlab lake recover` sets it aside"
        ) from error


def unverified_files(files: ArtifactFiles, event: Event) -> Iterator[str]:
    """What is wrong with the files of the artifacts that the event brings, one line each."""
    for change in event.changes:
        if change["kind"] != artifact_rows.KIND:
            continue
        try:
            found, _ = hash_and_size(files, change["path_parquet"])
        except ArtifactMissingError as error:
            yield str(error)
            continue
        if "sha256:" + found != change["file_hash"]:
            yield f"{files.location(change['path_parquet'])} is damaged"
