"""A spot check of some artifacts: their files are looked for, and as many as time allows are read and judged.

It says less than `verify`, which reads everything, and says how much it looked at. It changes nothing.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantlab_core.artifacts.content_hash import PREFIX, hash_of_normal_form
from quantlab_core.artifacts.contract_fault import contract_fault
from quantlab_core.artifacts.type_of_table import type_of_table
from quantlab_core.errors import ArtifactMissingError, QuantlabError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.parquet_files import decode, with_schema_of
from quantlab_resources.artifacts.upkeep.artifact_check import (
    Checked,
    Problem,
    RecordedArtifact,
    check_artifact,
    recorded,
)

CONTRACT = "contract"


@dataclass(frozen=True, slots=True)
class SpotProblem:
    """One artifact that is not what it should be. ``what`` is a `ProblemKind`, or `CONTRACT` where its table breaks a
    promise of its type; ``detail`` is one line."""

    what: str
    artifact_id: str
    logical_key: str
    path: str
    detail: str


@dataclass(frozen=True, slots=True)
class SpotCheck:
    """How many artifacts there were, of how many the file was looked for, how many were read, and what is wrong."""

    artifacts: int
    looked_for: int
    read: int
    byte_size: int
    problems: tuple[SpotProblem, ...]


def spot_check(
    store: ParquetArtifactStore,
    artifact_ids: Sequence[str],
    *,
    seconds: float,
    sample: str,
    clock: Callable[[], float] = time.monotonic,
) -> SpotCheck:
    """Look for the files of these artifacts, then read one after the other until ``seconds`` are over; at least one.

    Those whose file is not found are read first, so that a missing file is told however many there are. The others come
    in an order that ``sample`` decides: another text, another sample. A file that is read must have the recorded hash,
    the recorded content, and a table that keeps what its type promises; its sidecar must say the same as the manifest.
    ``clock`` gives seconds that never go back.
    """
    with store.manifest.reading() as connection:
        candidates = recorded(connection, artifact_ids)
    deadline = clock() + seconds
    candidates.sort(key=lambda one: zlib.crc32(f"{sample} {one.artifact.artifact_id}".encode()))
    looked_for, absent = 0, []
    for candidate in candidates:
        looked_for += 1
        if store.files.change_marks(candidate.artifact.path_parquet) is None:
            absent.append(candidate)
        if clock() >= deadline:
            break
    checked, read = Checked(), 0
    problems: list[SpotProblem] = []
    gone = {candidate.artifact.artifact_id for candidate in absent}
    for candidate in [*absent, *(one for one in candidates if one.artifact.artifact_id not in gone)]:
        one = check_artifact(store, candidate, deep=False)
        checked.add(one)
        read += 1
        problems += [_told(candidate, problem) for problem in one.problems] or _contract_problems(store, candidate)
        if clock() >= deadline:
            break
    return SpotCheck(len(candidates), looked_for, read, checked.byte_size, tuple(problems))


def _told(candidate: RecordedArtifact, problem: Problem) -> SpotProblem:
    artifact = candidate.artifact
    return SpotProblem(problem.kind.value, artifact.artifact_id, artifact.logical_key, problem.path, problem.detail)


def _contract_problems(store: ParquetArtifactStore, candidate: RecordedArtifact) -> list[SpotProblem]:
    """What is wrong with the table of a file that has its recorded hash."""
    artifact = candidate.artifact
    if not artifact.content_hash.startswith(PREFIX):
        # The earlier store promised no order of rows: its content is compared with what was found on adoption.
        return [_told(candidate, problem) for problem in check_artifact(store, candidate, deep=True).problems]
    try:
        table = decode(store.files.read(artifact.path_parquet), origin=artifact.artifact_id)
        spec = type_of_table(artifact.artifact_type, artifact.schema_version, table)
        stored = with_schema_of(table, spec)
        detail = contract_fault(stored, spec)
        if detail is None and (found := hash_of_normal_form(stored, spec)) != artifact.content_hash:
            detail = f"its content is {found}, recorded is {artifact.content_hash}"
    except (ArtifactMissingError, StorageError):
        return []  # it went since it was read a moment ago: collected, or replaced
    except QuantlabError as error:
        detail = str(error)
    if detail is None:
        return []
    path = store.files.location(artifact.path_parquet)
    return [SpotProblem(CONTRACT, artifact.artifact_id, artifact.logical_key, path, detail)]
