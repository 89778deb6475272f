"""Quarantine: damaged tables and raw files are moved aside, so that no name stands for bytes that it should not have.

Nothing is deleted: the bytes stay under ``_quarantine/damaged``, and publishing the same content, or archiving the same
file, puts good bytes in their place. A bad mount must not empty the lake, so whatever looks like one is refused; the
files of a lake that was adopted where it stood are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_files import QUARANTINE
from quantlab_core.errors import ConflictError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.upkeep.artifact_check import (
    Checked,
    Problem,
    ProblemKind,
    RecordedArtifact,
    check_artifact,
    recorded,
)
from quantlab_resources.artifacts.upkeep.verification import VerificationReport, downstream_of
from quantlab_resources.artifacts.writers_lock import cleaning_up

MOST_FAILED_SHARE = 0.01
"""When more of the checked artifacts failed than this, and more than one, it is the disk rather than the files."""

_MOVABLE = (ProblemKind.DAMAGED, ProblemKind.CONTENT)


@dataclass(frozen=True, slots=True)
class MovedFile:
    """A damaged file that was moved, from where to where. A raw file can belong to several artifacts."""

    artifact_ids: tuple[str, ...]
    path: str
    kept_at: str


@dataclass(frozen=True, slots=True)
class QuarantineReport:
    """What was moved, what was left of the damaged files and why, and what was made from the moved ones.

    ``healed`` were whole again when they were looked at once more, just before they would have been moved.
    """

    moved: tuple[MovedFile, ...]
    left: tuple[Problem, ...]
    healed: tuple[str, ...]
    downstream: tuple[Artifact, ...]


def quarantine(store: ParquetArtifactStore, report: VerificationReport, *, wait_s: float = 30.0) -> QuarantineReport:
    """Move the damaged tables and raw files that a verification has just found, and only these.

    Each is checked again first. Waits up to ``wait_s`` seconds until nobody publishes. Raises ConflictError when the
    findings look like a bad disk (see `check_not_a_bad_disk`), StorageError when publishers stay busy or the disk
    refuses; then what was moved before stays moved, and repeating goes on from there.
    """
    check_not_a_bad_disk(report)
    suspects = {p.artifact_id for p in report.problems if p.artifact_id is not None and p.kind in _MOVABLE}
    moved: dict[str, MovedFile] = {}
    left: list[Problem] = []
    healed: list[str] = []
    if suspects:
        with cleaning_up(store.paths, wait_s=wait_s) as is_alone:
            if not is_alone:
                raise StorageError(
                    f"{store.paths.writers_lock}: others are publishing; nothing was moved, repeat later"
                )
            for candidate in _candidates(store, sorted(suspects)):
                damage = _damage(check_artifact(store, candidate, deep=report.run.is_deep))
                if not damage:
                    healed.append(candidate.artifact.artifact_id)
                for problem in damage:
                    if problem.name is None or problem.name in moved:
                        continue
                    if _is_old_file(problem.name):
                        left.append(problem)
                        continue
                    moved[problem.name] = _move(store, problem, damage)
    moved_ids = {artifact_id for file in moved.values() for artifact_id in file.artifact_ids}
    return QuarantineReport(
        moved=tuple(moved.values()),
        left=tuple(left),
        healed=tuple(artifact_id for artifact_id in healed if artifact_id not in moved_ids),
        downstream=downstream_of(store, moved_ids),
    )


def check_not_a_bad_disk(report: VerificationReport) -> None:
    """Raise ConflictError when a file could not be read at all, or when too many of the checked artifacts failed.

    One failure is always allowed: in a lake of less than a hundred artifacts it would be over the limit. Files that
    were no better when they were adopted are no news about the disk and do not count.
    """
    unreadable = [problem for problem in report.problems if problem.kind is ProblemKind.UNREADABLE]
    if unreadable:
        raise ConflictError(
            f"nothing was moved to quarantine: {unreadable[0].path} could not be read, nor could"
            f" {len(unreadable) - 1} other files; check the disk and the mount first"
        )
    failed = {p.artifact_id for p in report.problems if p.artifact_id is not None and not p.was_adopted_so}
    if len(failed) > max(1, MOST_FAILED_SHARE * report.artifacts_checked):
        raise ConflictError(
            f"nothing was moved to quarantine: {len(failed)} of {report.artifacts_checked} artifacts failed, more than"
            f" {MOST_FAILED_SHARE:.0%}; check the disk and the mount first, or restore from a backup"
        )


def _candidates(store: ParquetArtifactStore, artifact_ids: list[str]) -> Iterator[RecordedArtifact]:
    with store.manifest.reading() as connection:
        found = recorded(connection, artifact_ids)
    yield from found


def _damage(checked: Checked) -> list[Problem]:
    """What is still damaged. Raises StorageError when a file cannot be read now."""
    for problem in checked.problems:
        if problem.kind is ProblemKind.UNREADABLE:
            raise StorageError(f"{problem.detail}; what was moved to quarantine before stays there")
    return [problem for problem in checked.problems if problem.kind in _MOVABLE]


def _is_old_file(name: str) -> bool:
    """Whether the earlier store wrote the file: it stored absolute paths, and an adoption in place leaves them."""
    return name.startswith("/")


def _move(store: ParquetArtifactStore, problem: Problem, damage: list[Problem]) -> MovedFile:
    """The hash of the damaged bytes is part of the new name: a file that is damaged twice is kept twice."""
    name = problem.name or ""
    owners = tuple(other.artifact_id or "" for other in damage if other.name == name)
    kept_as = f"damaged/{problem.artifact_id}-{(problem.found_hash or '')[:16]}{PurePosixPath(name).suffix}"
    store.files.set_aside(name, kept_as)
    return MovedFile(owners, problem.path, store.files.location(f"{QUARANTINE}/{kept_as}"))
