"""The manifest, made anew from its event files.

Every change that was ever committed is in an event file, and the functions that made its rows make them again. So the
rebuilt manifest is equal row for row. The old file is not needed, and is kept.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apsw

from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.errors import (
    ArtifactMissingError,
    ConflictError,
    IntegrityError,
    InvalidInputError,
    LakeNotFoundError,
    StorageError,
)
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.manifest_changes import replay_event
from quantlab_resources.artifacts.events.event_files import event_path, read_event
from quantlab_resources.artifacts.events.event_survey import EventSurvey, LostEvents, survey_events
from quantlab_resources.artifacts.events.interrupted_event import unverified_files
from quantlab_resources.artifacts.events.schema_2_events import Schema2Events
from quantlab_resources.artifacts.files.sidecar import describes, read_sidecar
from quantlab_resources.artifacts.manifest.manifest_file import (
    SIDE_FILES,
    KnownState,
    check_output,
    files_of,
    identity_of,
    new_manifest,
    put_beside,
    put_in_place,
    take_wal_in,
)
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of
from quantlab_resources.artifacts.upkeep.manifest_salvage import Salvage, Salvager
from quantlab_resources.artifacts.writers_lock import cleaning_up

MOST_NAMED = 20
"""So many sidecars that do not agree are named."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """What a rebuild made.

    ``previous`` is where the manifest that was there is now, and ``undo`` the shell command that brings it back.
    ``left_out_event`` was never known to be committed and names files that do not verify. ``lost`` events are accepted
    as lost; what could be done about them is in ``salvage``. ``sidecars_that_differ`` are the first few of
    ``differing``. ``artifacts_left_out`` were added by the earlier store's writer and are in the former manifest only.
    """

    manifest: Path
    events: int
    artifacts: int
    left_out_event: Path | None
    lost: tuple[LostEvents, ...]
    salvage: Salvage | None
    differing: int
    sidecars_that_differ: tuple[str, ...]
    artifacts_left_out: int = 0
    previous: Path | None = None
    undo: str | None = None


def rebuild(
    store: ParquetArtifactStore,
    *,
    output: Path | None = None,
    salvage: bool = False,
    progress: Progress | None = None,
    wait_s: float = 30.0,
) -> RebuildReport:
    """Make the manifest anew, check it, and put it in place; or only write it to the file ``output``.

    Nobody can publish meanwhile. When events are missing or damaged it refuses and nothing is changed, unless
    ``salvage``: then it goes on with what is left and with the sidecars of artifacts that no event names. ``progress``
    is told (done, total). Raises IntegrityError, LakeNotFoundError when there is nothing to rebuild from, StorageError
    when publishers stay busy or the disk refuses, ConflictError for an ``output`` that exists, InvalidInputError for
    one with ``salvage`` or where none may be.
    """
    paths, now = store.paths, store.clock.now()
    if output is not None and salvage:
        raise InvalidInputError("what is salvaged is recorded in the lake, not in a file alone; leave the file out")
    building = paths.manifest_db.with_suffix(".rebuilt.sqlite")
    if output is not None:
        building = output.with_name(output.name + ".partial")
        check_output(output, building, own=(paths.artifacts_root, paths.events))
    if identity_of(paths.manifest_db.parent) is None:
        raise LakeNotFoundError(f"lake not found: {paths.manifest_db.parent} is not there; name another home")
    with cleaning_up(paths, wait_s=wait_s) as is_alone:
        if not is_alone:
            raise StorageError(f"{paths.writers_lock}: others are publishing; nothing was changed, repeat later")
        with store.manifest.held_still() as known:
            report = _build(store, building, known, salvage, progress or (lambda _done, _total: None))
            if output is not None:
                put_beside(building, output)
                return replace(report, manifest=output)
            aside = put_in_place(building, paths.manifest_db, at=now)
    if aside is None:
        return replace(report, manifest=paths.manifest_db)
    if known is not None:
        take_wal_in(aside)
    return replace(report, manifest=paths.manifest_db, previous=aside, undo=_undo(paths.manifest_db, files_of(aside)))


def _build(
    store: ParquetArtifactStore, path: Path, known: KnownState | None, salvage: bool, progress: Progress
) -> RebuildReport:
    """Make the new file at ``path`` and check it."""
    events, now = store.paths.events, store.clock.now()
    known_last = 0 if known is None else known.last_event
    survey = survey_events(events, known_last, progress)
    is_nothing_left = survey.last == 0 and known is None
    without_event = 0 if known is None else known.artifacts_without_event
    if not salvage:
        _refuse_losses(store, survey, is_nothing_left, known_last, without_event)
    lost = list(survey.lost)
    left_out = None if lost else _unverified_last(store, survey, known_last)
    up_to = survey.last if left_out is None else survey.last - 1
    with new_manifest(path, at=format_timestamp(now)) as connection:
        connection.execute("BEGIN")
        lost += _replay(connection, store, survey.replayable(up_to), survey.last, salvage, progress)
        connection.execute("COMMIT")
        salvaged = None
        if salvage:
            salvager = Salvager(connection, events, store.files, store.clock, last_event=survey.last)
            salvaged = salvager.salvage([(gap.first, gap.last) for gap in lost])
        differing, named = _differing_sidecars(connection, store.files)
        return RebuildReport(
            manifest=path,
            events=connection.execute("SELECT count(*) FROM events").get,
            artifacts=connection.execute("SELECT count(*) FROM artifacts").get,
            left_out_event=None if left_out is None else event_path(events, left_out),
            lost=tuple(lost),
            salvage=salvaged,
            differing=differing,
            sidecars_that_differ=named,
            artifacts_left_out=without_event,
        )


def _refuse_losses(
    store: ParquetArtifactStore, survey: EventSurvey, is_nothing_left: bool, known_last: int, without_event: int
) -> None:
    events = store.paths.events
    go_on = "or go on without them with `quantlab lake rebuild-manifest --salvage`"
    if is_nothing_left:
        raise IntegrityError(f"{events} holds no event; nothing was changed; restore the folder from a backup, {go_on}")
    if survey.lost:
        gaps = ", ".join(map(str, survey.lost[:MOST_NAMED])) + (" and more" if len(survey.lost) > MOST_NAMED else "")
        if survey.lost[-1].last <= known_last:
            go_on = "and keep the manifest: it is whole and has what they held, which --salvage would lose"
        raise IntegrityError(f"{events}: {gaps}; nothing was changed; restore these files from a backup, {go_on}")
    if without_event:
        raise ConflictError(
            f"{store.paths.manifest_db} has {without_event:,} artifacts that the earlier store's writer added and no"
            f" event holds; nothing was changed; `quantlab lake recover` takes them over, {go_on}"
        )


def _unverified_last(store: ParquetArtifactStore, survey: EventSurvey, known_last: int) -> int | None:
    """The last event, if nobody knows whether it was committed and the files that it names do not verify."""
    if survey.last <= known_last or survey.last not in survey.replayable(survey.last):
        return None
    event = read_event(store.paths.events, survey.last)
    return survey.last if any(unverified_files(store.files, event)) else None


def _replay(
    connection: apsw.Connection,
    store: ParquetArtifactStore,
    numbers: Iterable[int],
    last: int,
    is_lenient: bool,
    progress: Progress,
) -> Iterator[LostEvents]:
    """Replay these events in order; yields those that do not follow from what is left, or raises IntegrityError."""
    events, of_schema_2 = store.paths.events, Schema2Events(connection, store.files)
    for seq in numbers:
        event = read_event(events, seq)
        connection.execute("SAVEPOINT event")
        try:
            if event.is_of_schema_2:
                of_schema_2.replay(event)
            else:
                replay_event(connection, event)
        except (apsw.ConstraintError, IntegrityError) as error:
            if not is_lenient:
                raise IntegrityError(
                    f"{event_path(events, seq)} does not follow from the events before it ({error}); nothing was"
                    " changed; `quantlab lake rebuild-manifest --salvage` goes on without it"
                ) from error
            connection.execute("ROLLBACK TO event")
            yield LostEvents(seq, seq, "contradicting those before")
        connection.execute("RELEASE event")
        progress(last + seq, 2 * last)


def _differing_sidecars(connection: apsw.Connection, files: ArtifactFiles) -> tuple[int, tuple[str, ...]]:
    """How many sidecars of ours do not describe their artifact, and the first few; one at a time."""
    number = 0
    named: list[str] = []
    rows = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a WHERE a.published_seq IS NOT NULL ORDER BY a.rowid"  # noqa: S608
    )
    for row in rows:
        artifact = artifact_of(row)
        try:
            agrees = describes(read_sidecar(files, artifact.path_sidecar), artifact)
        except (ArtifactMissingError, StorageError):
            agrees = False
        if not agrees:
            number += 1
            named += [files.location(artifact.path_sidecar)] if len(named) < MOST_NAMED else []
    return number, tuple(named)


def _undo(manifest: Path, aside: Sequence[Path]) -> str:
    """The shell command that gives every file of the former manifest its name back."""
    own = [str(manifest) + suffix for suffix in SIDE_FILES]
    moves = [["mv", "-f", str(path), str(manifest) + path.name.removeprefix(aside[0].name)] for path in aside]
    return " && ".join(shlex.join(command) for command in [["rm", "-f", *own], *moves])
