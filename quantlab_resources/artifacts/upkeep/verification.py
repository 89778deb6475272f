"""Verification: whether every byte that the manifest names is still what it was.

The manifest is a claim about the disk; this compares the two. It changes nothing but its own note of the outcome (see
`last_verification`). Rows are taken a page at a time and files a block at a time, so memory does not grow with the
lake; what is wrong, and what was made from it, is listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.errors import InvalidInputError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.events.event_files import event_path, event_sha256, last_event_number
from quantlab_resources.artifacts.events.interrupted_event import next_number
from quantlab_resources.artifacts.manifest import manifest_queries
from quantlab_resources.artifacts.upkeep.artifact_check import (
    Checked,
    Problem,
    ProblemKind,
    RecordedArtifact,
    check_artifact,
    recorded_after,
)
from quantlab_resources.artifacts.upkeep.last_verification import (
    KnownProblem,
    VerificationRun,
    event_in_part,
    in_part,
    remember,
)

_PAGE_ROWS = 500

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was checked and what is wrong; ``downstream`` was made from artifacts with damaged or missing content.

    ``orphans`` counts files that no row names, which are no damage (a publish under way has some): None when only a
    part was checked.
    """

    run: VerificationRun
    problems: tuple[Problem, ...]
    downstream: tuple[Artifact, ...]
    orphans: int | None

    @property
    def artifacts_checked(self) -> int:
        """How many artifacts were checked."""
        return self.run.artifacts_checked

    @property
    def events_checked(self) -> int:
        """How many event files were checked."""
        return self.run.events_checked

    @property
    def bytes_checked(self) -> int:
        """Bytes of tables and raw files that were hashed."""
        return self.run.bytes_checked

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(
    store: ParquetArtifactStore,
    *,
    deep: bool = False,
    subset: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
) -> VerificationReport:
    """Check files, sidecars, raw files and event files against the manifest.

    ``deep`` also decodes every table, with its page checksums, and compares its content hash. ``subset=(n, t)`` checks
    the n-th of t parts: t runs cover all, also when the lake grows between them. ``progress`` is told how many of all
    artifacts were passed. Raises LakeNotFoundError, InvalidInputError.
    """
    part, parts = subset
    if not 1 <= part <= parts:
        raise InvalidInputError(f"there is no part {part} of {parts}; write 1/{parts} to {parts}/{parts}")
    checked, artifacts = Checked(), 0
    for candidate in _candidates(store, progress):
        if in_part(candidate.artifact.artifact_id, part, parts):
            checked.add(check_artifact(store, candidate, deep=deep))
            artifacts += 1
    problems = checked.problems
    events = 0
    for seq, sha256 in _events(store):
        if event_in_part(seq, part, parts):
            events += 1
            problems += _check_event(store, seq, sha256)
    problems += _events_beyond(store)
    report = VerificationReport(
        VerificationRun(format_timestamp(store.clock.now()), part, parts, deep, artifacts, events, checked.byte_size),
        tuple(problems),
        downstream_of(store, with_lost_content(problems)),
        _orphans(store, checked.files_there) if parts == 1 else None,
    )
    with suppress(StorageError):  # on a read-only disk nothing can be kept, and the answer is as good
        remember(store.paths, report.run, [_known(problem) for problem in problems])
    return report


def with_lost_content(problems: Collection[Problem]) -> set[str]:
    """Ids of the artifacts whose table or raw file is damaged, missing or unreadable."""
    return {
        problem.artifact_id
        for problem in problems
        if problem.artifact_id is not None and problem.kind is not ProblemKind.SIDECAR
    }


def downstream_of(store: ParquetArtifactStore, artifact_ids: Collection[str]) -> tuple[Artifact, ...]:
    """Everything that was made from these artifacts, at any distance, without themselves."""
    if not artifact_ids:
        return ()
    with store.manifest.reading() as connection:
        rows = connection.execute(
            "WITH RECURSIVE walk (artifact_id) AS (SELECT value FROM json_each(?1)"
            " UNION SELECT l.artifact_id FROM walk w JOIN artifact_lineage l ON l.input_artifact_id = w.artifact_id)"
            " SELECT artifact_id FROM walk EXCEPT SELECT value FROM json_each(?1) ORDER BY 1",
            (json.dumps(sorted(artifact_ids)),),
        )
        found = manifest_queries.get_many(connection, [row[0] for row in rows])
    return tuple(artifact for artifact in found if artifact is not None)


def _candidates(store: ParquetArtifactStore, progress: Progress | None) -> Iterator[RecordedArtifact]:
    """All artifacts a page at a time; those that are published meanwhile come last."""
    with store.manifest.reading() as connection:
        total: int = connection.execute("SELECT count(*) FROM artifacts").get
    done = place = 0
    while True:
        with store.manifest.reading() as connection:
            page = recorded_after(connection, place, _PAGE_ROWS)
        if not page:
            return
        for candidate in page:
            yield candidate
            done += 1
            if progress is not None:
                progress(done, max(done, total))
        place = page[-1].place


def _orphans(store: ParquetArtifactStore, files_there: int) -> int | None:
    """Files beyond those that rows name, or None when they cannot be listed. Counted, not looked up, to be cheap."""
    try:
        listed = sum(not file.name.startswith("_") for file in store.files.list_files())
    except StorageError:
        return None
    return max(0, listed - files_there)


def _events(store: ParquetArtifactStore) -> Iterator[tuple[int, str]]:
    seq = 0
    while True:
        with store.manifest.reading() as connection:
            page = list(
                connection.execute(
                    "SELECT seq, sha256 FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, _PAGE_ROWS)
                )
            )
        if not page:
            return
        yield from page
        seq = page[-1][0]


def _check_event(store: ParquetArtifactStore, seq: int, sha256: str) -> Iterator[Problem]:
    path = str(event_path(store.paths.events, seq))
    try:
        found = event_sha256(store.paths.events, seq)
    except StorageError as error:
        kind = ProblemKind.MISSING if isinstance(error.__cause__, FileNotFoundError) else ProblemKind.UNREADABLE
        yield Problem(kind, path, str(error), event_seq=seq)
    else:
        if found != sha256:
            detail = f"{path} is damaged: a rebuild of the manifest would miss it"
            yield Problem(ProblemKind.DAMAGED, path, detail, event_seq=seq)


def _events_beyond(store: ParquetArtifactStore) -> Iterator[Problem]:
    """The manifest, if it is an older copy. A publish under way may be one event ahead of it, no more."""
    last_event = last_event_number(store.paths.events)
    with store.manifest.reading() as connection:
        following = next_number(connection)
    if last_event > following:
        path = str(store.manifest.path)
        detail = (
            f"{path} ends with event {following - 1} but there are events up to {last_event}: it is an older copy;"
            " `quantlab lake rebuild-manifest` takes the later events in"
        )
        yield Problem(ProblemKind.DAMAGED, path, detail, event_seq=last_event)


def _known(problem: Problem) -> KnownProblem:
    return KnownProblem(problem.kind.value, problem.path, problem.artifact_id, problem.event_seq)
