"""Verification: whether every byte that the manifest names is still what it was.

The manifest is a claim about the disk; this compares the two. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.content_hash import PREFIX, hash_of_normal_form
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.table_normal_form import inferred_type
from quantlab_core.errors import (
    ArtifactDamagedError,
    ArtifactMissingError,
    IntegrityError,
    InvalidInputError,
    SchemaError,
    StorageError,
)
from quantlab_resources.artifacts import manifest_queries
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.event_files import event_path, event_sha256
from quantlab_resources.artifacts.file_names import raw_file_name
from quantlab_resources.artifacts.incoming_tables import registered_type
from quantlab_resources.artifacts.parquet_files import decode, read_verified_bytes, with_schema_of, without_identity
from quantlab_resources.artifacts.raw_files import check_raw_file
from quantlab_resources.artifacts.sidecar import read_sidecar
from quantlab_resources.lake_paths import LakePaths


class ProblemKind(StrEnum):
    """What can be wrong with a file."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    SIDECAR = "sidecar"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that is not what the manifest says. ``artifact_id`` is None for event files."""

    kind: ProblemKind
    path: str
    detail: str
    artifact_id: str | None = None


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What was checked and what is wrong; ``downstream`` was made from artifacts with damaged or missing content."""

    artifacts_checked: int
    events_checked: int
    bytes_checked: int
    problems: tuple[Problem, ...]
    downstream: tuple[Artifact, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(
    store: ParquetArtifactStore,
    *,
    deep: bool = False,
    subset: tuple[int, int] = (1, 1),
    progress: Callable[[int, int], None] | None = None,
) -> VerificationReport:
    """Check files, sidecars, raw files and event files against the manifest.

    ``deep`` also decodes every table and compares its content hash. ``subset=(n, t)`` checks the n-th of t parts, so
    that t runs cover all. ``progress`` is told (done, total). Raises LakeNotFoundError, InvalidInputError.
    """
    part, parts = subset
    if not 1 <= part <= parts:
        raise InvalidInputError(f"there is no part {part} of {parts}; write 1/{parts} to {parts}/{parts}")
    with store.manifest.reading() as connection:
        ids = [row[0] for row in connection.execute("SELECT artifact_id FROM artifacts ORDER BY artifact_id")]
        events = list(connection.execute("SELECT seq, sha256 FROM events ORDER BY seq"))
        chosen = [a for a in manifest_queries.get_many(connection, ids[part - 1 :: parts]) if a is not None]
    problems: list[Problem] = []
    size = 0
    for done, artifact in enumerate(chosen, start=1):
        checked, found = _check_artifact(store, artifact, deep=deep)
        size += checked
        problems.extend(found)
        if progress is not None:
            progress(done, len(chosen))
    own_events = events[part - 1 :: parts]
    problems.extend(_check_events(store.paths, own_events))
    return VerificationReport(
        artifacts_checked=len(chosen),
        events_checked=len(own_events),
        bytes_checked=size,
        problems=tuple(problems),
        downstream=_downstream(store, problems),
    )


def _check_artifact(store: ParquetArtifactStore, artifact: Artifact, *, deep: bool) -> tuple[int, list[Problem]]:
    """Bytes read and problems found."""
    problems = list(_check_sidecar(store.files, artifact))
    name, size = artifact.path_parquet, 0
    try:
        data = read_verified_bytes(store.files, name, artifact.file_hash)
        size = len(data)
        if deep:
            _check_content(artifact, data)
        if artifact.artifact_type == RAW_FILE.name:
            sha256 = parse_key(RAW_FILE, artifact.logical_key)["sha256"]
            name = raw_file_name(sha256)
            size += check_raw_file(store, sha256)
    except (IntegrityError, StorageError, SchemaError, InvalidInputError) as error:
        problems.append(Problem(_kind_of(error), store.files.location(name), str(error), artifact.artifact_id))
    return size, problems


def _kind_of(error: Exception) -> ProblemKind:
    match error:
        case ArtifactMissingError():
            return ProblemKind.MISSING
        case ArtifactDamagedError():
            return ProblemKind.DAMAGED
        case StorageError():
            return ProblemKind.UNREADABLE
        case _:
            return ProblemKind.CONTENT


def _check_content(artifact: Artifact, data: bytes) -> None:
    if not artifact.content_hash.startswith(PREFIX):
        return  # an adopted artifact's hash is the earlier store's
    table = decode(data, origin=artifact.artifact_id)
    spec = registered_type(artifact.artifact_type, artifact.schema_version)
    if spec is None:
        spec, table = inferred_type(artifact.artifact_type, artifact.schema_version, table), without_identity(table)
    found = hash_of_normal_form(with_schema_of(table, spec), spec)
    if found != artifact.content_hash:
        raise SchemaError(
            f"artifact {artifact.artifact_id}: its content is {found}, recorded is {artifact.content_hash}"
        )


def _check_sidecar(files: ArtifactFiles, artifact: Artifact) -> Iterator[Problem]:
    path = files.location(artifact.path_sidecar)
    try:
        body = read_sidecar(files, artifact.path_sidecar)
    except ArtifactMissingError as error:
        yield Problem(ProblemKind.MISSING, path, f"{error}; restore it from a backup", artifact.artifact_id)
        return
    except StorageError as error:
        yield Problem(ProblemKind.UNREADABLE, path, str(error), artifact.artifact_id)
        return
    identity = (body or {}).get("identity")
    if body is None or not isinstance(identity, dict):
        yield Problem(ProblemKind.SIDECAR, path, f"{path} is not a sidecar", artifact.artifact_id)
        return
    for name in ("artifact_id", "artifact_type", "schema_version", "logical_key"):
        if body.get(name) != getattr(artifact, name):
            yield Problem(ProblemKind.SIDECAR, path, f"{path}: {name} differs from the manifest", artifact.artifact_id)
    for name in ("file_hash", "content_hash", "row_count", "min_ts", "max_ts"):
        if identity.get(name) != getattr(artifact, name):
            yield Problem(ProblemKind.SIDECAR, path, f"{path}: {name} differs from the manifest", artifact.artifact_id)


def _check_events(paths: LakePaths, events: Sequence[tuple[int, str]]) -> Iterator[Problem]:
    for seq, sha256 in events:
        path = str(event_path(paths.events, seq))
        try:
            found = event_sha256(paths.events, seq)
        except StorageError as error:
            kind = ProblemKind.MISSING if isinstance(error.__cause__, FileNotFoundError) else ProblemKind.UNREADABLE
            yield Problem(kind, path, str(error))
            continue
        if found != sha256:
            yield Problem(ProblemKind.DAMAGED, path, f"{path} is damaged: a rebuild of the manifest would miss it")


def _downstream(store: ParquetArtifactStore, problems: Sequence[Problem]) -> tuple[Artifact, ...]:
    """Everything made from content that is damaged or gone, without the damaged artifacts themselves."""
    damaged = {p.artifact_id for p in problems if p.artifact_id is not None and p.kind is not ProblemKind.SIDECAR}
    with store.manifest.reading() as connection:
        affected: set[str] = set()
        for artifact_id in sorted(damaged):
            affected |= manifest_queries.descendants(connection, artifact_id)
        found = manifest_queries.get_many(connection, sorted(affected - damaged))
    return tuple(artifact for artifact in found if artifact is not None)
