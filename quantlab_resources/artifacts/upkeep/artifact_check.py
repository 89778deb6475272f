"""The check of one artifact: whether its sidecar, its table and its raw file are what its row says.

An artifact of the earlier store can be held to less: its sidecar has no checksum, and its content hash is of another
kind, so that the qlh1 hash that was taken when it was adopted stands in for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.content_hash import PREFIX, hash_of_normal_form
from quantlab_core.artifacts.logical_key import format_key, parse_key
from quantlab_core.artifacts.type_of_table import content_hash_of_table, type_of_table
from quantlab_core.errors import ArtifactMissingError, QuantlabError, SchemaError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.collection import collected_at
from quantlab_resources.artifacts.files.file_names import raw_file_name
from quantlab_resources.artifacts.files.parquet_files import decode, with_schema_of
from quantlab_resources.artifacts.files.sidecar import begins_as_written, is_intact
from quantlab_resources.artifacts.files.stored_bytes import hash_and_size
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of

FILE_CONFIRMED = "confirmed"
"""What an adoption says of a file whose bytes had the recorded hash then."""

_READ_AT_ONCE_BYTES = 8 * 1024**2
_SELECT = f"""
SELECT {ARTIFACT_COLUMNS}, a.byte_size, a.qlh1_hash, a.published_seq IS NULL, d.file_check, a.rowid
FROM artifacts a
LEFT JOIN adoptions d ON d.artifact_id = a.artifact_id
"""  # noqa: S608 - fixed text


class ProblemKind(StrEnum):
    """What can be wrong with a file."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    SIDECAR = "sidecar"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Problem:
    """One file that is not what the manifest says; ``path`` is where it is.

    ``artifact_id`` is None for an event file, which has its number as ``event_seq``. ``name`` and ``found_hash`` are
    those of a stored file that was read. ``was_adopted_so``: it was no better when the artifact was adopted.
    """

    kind: ProblemKind
    path: str
    detail: str
    artifact_id: str | None = None
    event_seq: int | None = None
    name: str | None = None
    found_hash: str | None = None
    was_adopted_so: bool = False


@dataclass(frozen=True, slots=True)
class RecordedArtifact:
    """An artifact as the manifest has it, with stored paths and with what decides how it is checked."""

    artifact: Artifact
    byte_size: int | None
    qlh1_hash: str | None
    is_of_earlier_store: bool
    file_check: str | None
    place: int


@dataclass(slots=True)
class Checked:
    """What the check of an artifact has read so far: bytes of tables and raw files, and how many files were there."""

    byte_size: int = 0
    files_there: int = 0
    problems: list[Problem] = field(default_factory=list)

    def add(self, other: Checked) -> None:
        """Count what ``other`` has read too."""
        self.byte_size += other.byte_size
        self.files_there += other.files_there
        self.problems += other.problems


def recorded_after(connection: apsw.Connection, place: int, limit: int) -> list[RecordedArtifact]:
    """The next ``limit`` artifacts in the order of their rows, after the one at ``place`` (0: from the first)."""
    rows = connection.execute(f"{_SELECT} WHERE a.rowid > ? ORDER BY a.rowid LIMIT ?", (place, limit))
    return [_recorded(row) for row in rows]


def recorded(connection: apsw.Connection, artifact_ids: Sequence[str]) -> list[RecordedArtifact]:
    """The artifacts with these ids, in the order of their rows."""
    rows = connection.execute(
        f"{_SELECT} WHERE a.artifact_id IN (SELECT value FROM json_each(?)) ORDER BY a.rowid",  # noqa: S608 - fixed text
        (json.dumps(list(artifact_ids)),),
    )
    return [_recorded(row) for row in rows]


def check_artifact(store: ParquetArtifactStore, candidate: RecordedArtifact, *, deep: bool) -> Checked:
    """Read what the artifact has and compare it with its row.

    A raw file that several artifacts name is read with the first of them, and its problem is every one's.
    """
    checked = Checked()
    _check_sidecar(store.files, candidate, checked)
    of_bytes = Checked()
    _check_table(store.files, candidate, of_bytes, deep=deep)
    if candidate.artifact.artifact_type == RAW_FILE.name:
        _check_raw_file(store, candidate.artifact, of_bytes)
    if of_bytes.problems and _is_collected(store, candidate.artifact):
        of_bytes.problems.clear()  # its bytes were given up; an interrupted collection can have left some
    checked.add(of_bytes)
    return checked


def _recorded(row: tuple[Any, ...]) -> RecordedArtifact:
    *fields, byte_size, qlh1_hash, is_of_earlier_store, file_check, place = row
    return RecordedArtifact(artifact_of(fields), byte_size, qlh1_hash, bool(is_of_earlier_store), file_check, place)


def _is_collected(store: ParquetArtifactStore, artifact: Artifact) -> bool:
    """Asked when something is wrong: by then a collection can have taken what was there when the row was read."""
    with store.manifest.reading() as connection:
        return collected_at(connection, artifact.artifact_id) is not None


def _check_table(files: ArtifactFiles, candidate: RecordedArtifact, checked: Checked, *, deep: bool) -> None:
    artifact, name = candidate.artifact, candidate.artifact.path_parquet
    data = None
    try:
        if deep or (candidate.byte_size is not None and candidate.byte_size <= _READ_AT_ONCE_BYTES):
            data = files.read(name)
            size, found = len(data), hashlib.sha256(data).hexdigest()
        else:
            found, size = hash_and_size(files, name)
    except ArtifactMissingError as error:
        detail = f"{error}; restore it from a backup or publish its content again"
        checked.problems.append(_table_problem(files, candidate, ProblemKind.MISSING, detail))
        return
    except StorageError as error:
        checked.problems.append(_table_problem(files, candidate, ProblemKind.UNREADABLE, str(error)))
        return
    checked.byte_size += size
    checked.files_there += 1
    if found != artifact.file_hash.removeprefix("sha256:"):
        detail = (
            f"{files.location(name)} is damaged: its hash is sha256:{found}, recorded is {artifact.file_hash};"
            " restore it from a backup or publish its content again"
        )
        checked.problems.append(_table_problem(files, candidate, ProblemKind.DAMAGED, detail, found))
    elif deep and data is not None:
        try:
            _check_content(candidate, data)
        except QuantlabError as error:
            checked.problems.append(_table_problem(files, candidate, ProblemKind.CONTENT, str(error), found))


def _table_problem(
    files: ArtifactFiles, candidate: RecordedArtifact, kind: ProblemKind, detail: str, found_hash: str | None = None
) -> Problem:
    artifact = candidate.artifact
    was_adopted_so = candidate.file_check not in (None, FILE_CONFIRMED)
    return Problem(
        kind,
        files.location(artifact.path_parquet),
        detail + (" (it was so when it was adopted)" if was_adopted_so else ""),
        artifact.artifact_id,
        name=artifact.path_parquet,
        found_hash=found_hash,
        was_adopted_so=was_adopted_so,
    )


def _check_content(candidate: RecordedArtifact, data: bytes) -> None:
    """Decode, with page checksums, and compare the content hash. Raises InvalidInputError, SchemaError."""
    artifact = candidate.artifact
    table = decode(data, origin=artifact.artifact_id)
    if artifact.content_hash.startswith(PREFIX):
        recorded_hash: str | None = artifact.content_hash
        spec = type_of_table(artifact.artifact_type, artifact.schema_version, table)
        found = hash_of_normal_form(with_schema_of(table, spec), spec)
    else:
        recorded_hash = candidate.qlh1_hash
        if recorded_hash is None:
            return  # its content could not be brought into normal form when it was adopted: it was decoded, no more
        found = content_hash_of_table(artifact.artifact_type, artifact.schema_version, table)
    if found != recorded_hash:
        raise SchemaError(f"artifact {artifact.artifact_id}: its content is {found}, recorded is {recorded_hash}")


def _check_raw_file(store: ParquetArtifactStore, artifact: Artifact, checked: Checked) -> None:
    files, found = store.files, None
    try:
        sha256 = parse_key(RAW_FILE, artifact.logical_key)["sha256"]
        name = raw_file_name(sha256)
    except QuantlabError as error:
        path = files.location(artifact.path_parquet)
        checked.problems.append(Problem(ProblemKind.CONTENT, path, str(error), artifact.artifact_id))
        return
    with store.manifest.reading() as connection:
        namesakes = artifacts_of_raw_file(connection, sha256)
    if namesakes and artifact.artifact_id != namesakes[0]:
        return
    path = files.location(name)
    try:
        found, size = hash_and_size(files, name)
    except ArtifactMissingError as error:
        kind, detail = ProblemKind.MISSING, f"{error}; archive the file again"
    except StorageError as error:
        kind, detail = ProblemKind.UNREADABLE, str(error)
    else:
        checked.byte_size += size
        checked.files_there += 1
        if found == sha256:
            return
        kind, detail = ProblemKind.DAMAGED, f"{path} is damaged: its SHA-256 is {found}; archive the file again"
    checked.problems += [
        Problem(kind, path, detail, namesake, name=name, found_hash=found)
        for namesake in namesakes or [artifact.artifact_id]
    ]


def artifacts_of_raw_file(connection: apsw.Connection, sha256: str) -> list[str]:
    """Ids, in order, of the artifacts that these raw bytes belong to: one for each kind that the file was taken for."""
    keys = [format_key(RAW_FILE, {"kind": kind, "sha256": sha256}) for kind in RAW_FILE.asset]
    rows = connection.execute(
        "SELECT artifact_id FROM artifacts WHERE artifact_type = ?"
        " AND logical_key IN (SELECT value FROM json_each(?))"
        " AND artifact_id NOT IN (SELECT artifact_id FROM collections) ORDER BY artifact_id",
        (RAW_FILE.name, json.dumps(keys)),
    )
    return [row[0] for row in rows]


def _check_sidecar(files: ArtifactFiles, candidate: RecordedArtifact, checked: Checked) -> None:
    artifact = candidate.artifact
    name = artifact.path_sidecar
    kind, detail = ProblemKind.SIDECAR, None
    try:
        data = files.read(name)
    except ArtifactMissingError as error:
        kind, detail = ProblemKind.MISSING, f"{error}; restore it from a backup"
    except StorageError as error:
        kind, detail = ProblemKind.UNREADABLE, str(error)
    else:
        checked.files_there += 1
        fault = _fault_of_sidecar(data, candidate)
        detail = None if fault is None else f"{files.location(name)}{fault}"
    if detail is not None:
        checked.problems.append(Problem(kind, files.location(name), detail, artifact.artifact_id, name=name))


def _fault_of_sidecar(data: bytes, candidate: RecordedArtifact) -> str | None:
    if not candidate.is_of_earlier_store and not is_intact(data):
        return " is damaged: it does not have its own checksum"
    if begins_as_written(data, candidate.artifact):
        return None
    differences = _differences(data, candidate.artifact)
    if differences is None:
        return " is not a sidecar"
    return f": {', '.join(differences)}: not what the manifest says" if differences else None


_OF_THE_WHOLE = ("artifact_id", "artifact_type", "schema_version", "logical_key")
_OF_THE_IDENTITY = ("file_hash", "content_hash", "row_count", "min_ts", "max_ts")


def _differences(sidecar: bytes, artifact: Artifact) -> list[str] | None:
    """Fields in which the sidecar and the manifest differ; None when it is no sidecar."""
    try:
        body = json.loads(sidecar.decode())
        identity = body["identity"]
        return [
            *(name for name in _OF_THE_WHOLE if body.get(name) != getattr(artifact, name)),
            *(name for name in _OF_THE_IDENTITY if identity.get(name) != getattr(artifact, name)),
        ]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None
