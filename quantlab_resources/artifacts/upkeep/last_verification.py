"""What the last verifications found, kept in one small file so that a status can say it without reading the lake again.

The file is disposable: it lies with the projections, and losing it only means that nothing is known until the next
`lake verify`. A verification of one part (``--subset 2/7``) adds to what the runs before it found: parts are chosen by
id, so it is known which of the older findings a run has looked at again.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from quantlab_resources.artifacts.files.durable_files import replace_durably
from quantlab_resources.lake_paths import LakePaths

FORMAT = "quantlab-verification/1"
MOST_PROBLEMS_KEPT = 1_000
MOST_RUNS_KEPT = 1_000
_NAME = "_verification.json"


@dataclass(frozen=True, slots=True)
class VerificationRun:
    """One run: when it ended (UTC text), which part of how many it checked, how deeply, and how much that was."""

    at: str
    part: int
    parts: int
    is_deep: bool
    artifacts_checked: int
    events_checked: int
    bytes_checked: int


@dataclass(frozen=True, slots=True)
class KnownProblem:
    """A file that was not what the manifest said when it was last looked at. ``event_seq`` is that of an event file."""

    kind: str
    path: str
    artifact_id: str | None
    event_seq: int | None


@dataclass(frozen=True, slots=True)
class LastVerification:
    """What is known from verifications: the last whole one and the parts checked since, the newest first.

    ``problem_count`` counts what is known to be damaged or missing; ``problems`` lists at most `MOST_PROBLEMS_KEPT`.
    """

    runs: tuple[VerificationRun, ...]
    problem_count: int
    problems: tuple[KnownProblem, ...]

    @property
    def newest(self) -> VerificationRun:
        """The run that ended last."""
        return self.runs[0]


def in_part(artifact_id: str, part: int, parts: int) -> bool:
    """Whether the ``part``-th of ``parts`` covers the artifact; it stays in that part whatever else is published."""
    return parts == 1 or zlib.crc32(artifact_id.encode()) % parts == part - 1


def event_in_part(seq: int, part: int, parts: int) -> bool:
    """Whether the ``part``-th of ``parts`` covers the event."""
    return seq % parts == part - 1


def last_verification(paths: LakePaths) -> LastVerification | None:
    """What the last verifications found; None when there was none or its file is gone or unreadable."""
    try:
        return _decoded(json.loads(_path(paths).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def verified_at(paths: LakePaths) -> int:
    """When the note of the last verification was written, in ns of its file system; 0 without one."""
    try:
        return _path(paths).stat().st_mtime_ns
    except OSError:
        return 0


def remember(paths: LakePaths, run: VerificationRun, problems: Sequence[KnownProblem]) -> None:
    """Keep what ``run`` found together with what older runs found elsewhere. Raises StorageError."""
    known = None if run.parts == 1 else last_verification(paths)
    runs = [run]
    older: list[KnownProblem] = []
    not_listed = 0
    if known is not None:
        runs += [other for other in known.runs if (other.part, other.parts) != (run.part, run.parts)]
        older = [problem for problem in known.problems if not _covers(run, problem)]
        not_listed = known.problem_count - len(known.problems)
    kept = [*problems, *older]
    body = {
        "format": FORMAT,
        "runs": [asdict(one) for one in runs[:MOST_RUNS_KEPT]],
        "problem_count": len(kept) + not_listed,
        "problems": [asdict(problem) for problem in kept[:MOST_PROBLEMS_KEPT]],
    }
    replace_durably(_path(paths), json.dumps(body, ensure_ascii=False, indent=1).encode() + b"\n")


def _covers(run: VerificationRun, problem: KnownProblem) -> bool:
    if problem.artifact_id is not None:
        return in_part(problem.artifact_id, run.part, run.parts)
    return problem.event_seq is None or event_in_part(problem.event_seq, run.part, run.parts)


def _decoded(body: Any) -> LastVerification | None:
    if body["format"] != FORMAT or not body["runs"]:
        return None
    return LastVerification(
        runs=tuple(VerificationRun(**run) for run in body["runs"]),
        problem_count=int(body["problem_count"]),
        problems=tuple(KnownProblem(**problem) for problem in body["problems"]),
    )


def _path(paths: LakePaths) -> Path:
    return paths.projection_cache / _NAME
