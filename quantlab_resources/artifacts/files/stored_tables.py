"""The two files of an artifact, Parquet and sidecar, stored under their names before any row names them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, PublishRequest
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_identity import artifact_id
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.content_hash import hash_of_normal_form
from quantlab_core.artifacts.equal_bits import has_bits_of
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.artifacts.timestamp_text import format_timestamp, format_timestamp_us, parse_timestamp
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, ConflictError, SchemaError, StorageError
from quantlab_resources.artifacts.files.file_names import (
    SUFFIX_LENGTHS,
    artifact_folder,
    artifact_stem,
    check_logical_key,
)
from quantlab_resources.artifacts.files.parquet_files import (
    decode_own,
    decode_own_in_parts,
    read_verified_bytes,
    sha256_of,
    to_parquet,
)
from quantlab_resources.artifacts.files.sidecar import (
    check_provenance,
    describes,
    is_intact,
    read_sidecar,
    sidecar_bytes,
)
from quantlab_resources.artifacts.files.stored_bytes import holds_bytes
from quantlab_resources.artifacts.incoming_tables import incoming_table

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """A request's table in normal form with its content hash; nothing is on disk yet."""

    request: PublishRequest
    spec: ArtifactType
    table: pa.Table
    content_hash: str
    incoming_file_hash: str | None
    artifact_id: str
    """The id that this content has under this key."""


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """An artifact whose files are stored, with their names as paths."""

    artifact: Artifact
    byte_size: int

    @property
    def names(self) -> tuple[str, str]:
        """Names of the Parquet file and of the sidecar."""
        return self.artifact.path_parquet, self.artifact.path_sidecar


def prepare(request: PublishRequest) -> PreparedTable:
    """Validate a request and hash its content. Raises SchemaError, LogicalKeyError, InvalidInputError, StorageError."""
    table, spec, file_hash = incoming_table(request)
    check_logical_key(spec, request.logical_key)
    check_provenance(request)
    artifact_stem(spec, request.logical_key, request.filename_hint, "0" * max(SUFFIX_LENGTHS))
    normal = to_normal_form(table, spec)
    content_hash = hash_of_normal_form(normal, spec)
    own_id = artifact_id(spec.name, spec.version, request.logical_key, content_hash)
    return PreparedTable(request, spec, normal, content_hash, file_hash, own_id)


def store_files(files: ArtifactFiles, prepared: PreparedTable, now: datetime) -> StoredFiles:
    """Store both files under their names; `ArtifactFiles.make_durable` has yet to follow.

    A name that is taken by the same bytes is shared; taken by others, a longer part of the content hash is used.
    """
    data = to_parquet(prepared.table, prepared.spec, prepared.request.logical_key)
    file_hash = sha256_of(data)
    with files.staged([data]) as staged:
        _check_staged(files, staged, prepared, data)
        for length in SUFFIX_LENGTHS:
            artifact = _artifact(prepared, file_hash, length, format_timestamp(now))
            name = artifact.path_parquet
            if not files.put_if_absent(name, staged) and sha256_of(files.read(name)) != file_hash:
                continue
            stored = _store_sidecar(files, prepared, artifact, now)
            if stored is not None:
                return StoredFiles(stored, len(data))
    raise ConflictError(
        f"{files.location(artifact.path_parquet)} is taken by other bytes, which were kept;"
        " move that file out of the lake and publish again"
    )


def is_whole(files: ArtifactFiles, artifact: Artifact) -> bool:
    """Whether the stored Parquet file is there with the recorded bytes."""
    try:
        read_verified_bytes(files, artifact.path_parquet, artifact.file_hash)
    except (ArtifactDamagedError, ArtifactMissingError):
        return False
    return True


def repair(files: ArtifactFiles, prepared: PreparedTable, artifact: Artifact) -> None:
    """Put a missing or damaged file back from the same content, if that gives the recorded bytes.

    Damaged bytes are set aside, never deleted. Raises ArtifactDamagedError when other bytes come out.
    """
    name = artifact.path_parquet
    data = to_parquet(prepared.table, prepared.spec, artifact.logical_key)
    if sha256_of(data) != artifact.file_hash:
        raise ArtifactDamagedError(
            f"{files.location(name)} is missing or damaged and this version of Arrow writes other bytes for its"
            " content; restore it from a backup"
        )
    with files.staged([data]) as staged:
        files.set_aside(name, f"damaged/{artifact.artifact_id}.parquet")
        files.put_if_absent(name, staged)
        files.make_durable([name])


def _artifact(prepared: PreparedTable, file_hash: str, length: int, created_at: str) -> Artifact:
    spec, request = prepared.spec, prepared.request
    digest = prepared.content_hash.partition(":")[2]
    stem = artifact_stem(spec, request.logical_key, request.filename_hint, digest[:length])
    path = f"{artifact_folder(spec)}/{stem}"
    min_ts, max_ts = _time_range(prepared.table, spec)
    return Artifact(
        artifact_id=prepared.artifact_id,
        artifact_type=spec.name,
        schema_version=spec.version,
        logical_key=request.logical_key,
        status=ArtifactStatus.ACTIVE,
        path_parquet=f"{path}.parquet",
        path_sidecar=f"{path}.json",
        file_hash=file_hash,
        content_hash=prepared.content_hash,
        row_count=prepared.table.num_rows,
        created_at=created_at,
        min_ts=min_ts,
        max_ts=max_ts,
    )


def _time_range(table: pa.Table, spec: ArtifactType) -> tuple[str | None, str | None]:
    if spec.time_column is None or table.num_rows == 0:
        return None, None
    times = table.column(spec.time_column)
    if spec.sort_key[:1] == (spec.time_column,) and not times.null_count:
        earliest, latest = times[0], times[-1]
    else:
        limits = pc.min_max(times)
        earliest, latest = limits["min"], limits["max"]
    try:
        return _instant(earliest), _instant(latest)
    except OverflowError:
        raise SchemaError(
            f"{spec.label}: column {spec.time_column!r} holds a time before year 1 or after 9999; nothing was published"
        ) from None


def _instant(time: pa.TimestampScalar[Any, Any]) -> str | None:
    return None if time.value is None else format_timestamp_us(_EPOCH + timedelta(microseconds=time.value))


def _check_staged(files: ArtifactFiles, staged: str, prepared: PreparedTable, written: memoryview) -> None:
    """Read back what was written: the same bytes, and they decode to the same content."""
    are_same = holds_bytes(files, staged, written)
    if not (are_same and _decodes_to(written, prepared)):
        raise StorageError(
            f"{files.location(staged)}: reading back {prepared.spec.label} {prepared.request.logical_key} gave other"
            f" {'content' if are_same else 'bytes'}; nothing was published, check the disk and repeat"
        )


def _decodes_to(data: memoryview, prepared: PreparedTable) -> bool:
    """Whether Parquet bytes hold the content of the prepared table."""
    origin = f"{prepared.spec.label} {prepared.request.logical_key}"
    rows = 0
    for part in decode_own_in_parts(data, origin=origin):
        if not has_bits_of(part, prepared.table.slice(rows, part.num_rows), prepared.spec.attributes):
            break
        rows += part.num_rows
    else:
        if rows == prepared.table.num_rows > 0:
            return True
    return hash_of_normal_form(decode_own(data, origin=origin), prepared.spec) == prepared.content_hash


def _store_sidecar(files: ArtifactFiles, prepared: PreparedTable, artifact: Artifact, now: datetime) -> Artifact | None:
    """Store the sidecar; another publisher's for the same bytes is shared, with its time. None: the name is taken."""
    body = sidecar_bytes(artifact, prepared.spec, prepared.request, format_timestamp_us(now))
    with files.staged([body]) as staged:
        if files.put_if_absent(artifact.path_sidecar, staged):
            return artifact
    known = read_sidecar(files, artifact.path_sidecar)
    if known is None or not describes(known, artifact) or not is_intact(files.read(artifact.path_sidecar)):
        return None
    return replace(artifact, created_at=format_timestamp(parse_timestamp(known["created_at"])))
