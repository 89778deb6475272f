"""The two files of an artifact, Parquet and sidecar, brought durably under their names before any row names them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus, PublishRequest
from quantlab_core.artifacts.artifact_identity import artifact_id
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.content_hash import hash_of_normal_form
from quantlab_core.artifacts.table_normal_form import to_normal_form
from quantlab_core.artifacts.timestamp_text import format_timestamp, format_timestamp_us, parse_timestamp
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, ConflictError, StorageError
from quantlab_resources.artifacts.durable_files import (
    discard,
    link_without_replacing,
    make_directory,
    storage_errors,
    sync_directory,
    write_staged,
)
from quantlab_resources.artifacts.file_names import SUFFIX_LENGTHS, artifact_folder, artifact_stem, check_logical_key
from quantlab_resources.artifacts.incoming_tables import incoming_table
from quantlab_resources.artifacts.parquet_files import (
    decode,
    read_verified_bytes,
    sha256_of,
    to_parquet,
    with_schema_of,
)
from quantlab_resources.artifacts.sidecar import check_provenance, describes, read_sidecar, sidecar_bytes
from quantlab_resources.lake_paths import LakePaths


@dataclass(frozen=True, slots=True)
class PreparedTable:
    """A request's table in normal form with its content hash; nothing is on disk yet."""

    request: PublishRequest
    spec: ArtifactType
    table: pa.Table
    content_hash: str
    incoming_file_hash: str | None

    @property
    def artifact_id(self) -> str:
        """The id that this content has under this key."""
        return artifact_id(self.spec.name, self.spec.version, self.request.logical_key, self.content_hash)


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """Durable files of an artifact, with paths relative to the artifacts root."""

    artifact: Artifact
    byte_size: int


def prepare(request: PublishRequest) -> PreparedTable:
    """Validate a request and hash its content. Raises SchemaError, LogicalKeyError, InvalidInputError, StorageError."""
    table, spec, file_hash = incoming_table(request)
    check_logical_key(spec, request.logical_key)
    check_provenance(request)
    artifact_stem(spec, request.logical_key, request.filename_hint, "0" * max(SUFFIX_LENGTHS))
    normal = to_normal_form(table, spec)
    return PreparedTable(request, spec, normal, hash_of_normal_form(normal, spec), file_hash)


def resolve(paths: LakePaths, stored: str) -> Path:
    """The absolute path of a stored one: relative to the artifacts root, or absolute as the earlier store wrote it.

    An absolute path that is gone (of another machine) is looked for as ``<type>/v<N>/<name>`` under the artifacts root.
    """
    path = paths.artifacts_root / stored
    if Path(stored).is_absolute() and not path.exists():
        return paths.artifacts_root.joinpath(*path.parts[-3:])
    return path


def store_files(paths: LakePaths, prepared: PreparedTable, now: datetime) -> StoredFiles:
    """Write both files durably, except for their directory entries: `sync_folders` follows.

    A name that is taken by the same bytes is shared; taken by others, a longer part of the content hash is used.
    """
    data = to_parquet(prepared.table, prepared.spec, prepared.request.logical_key)
    file_hash = sha256_of(data)
    staged = write_staged(paths.staging, data)
    try:
        _check_staged(staged, prepared, file_hash)
        for length in SUFFIX_LENGTHS:
            artifact = _artifact(prepared, file_hash, length, format_timestamp(now))
            if not _link_or_same(staged, paths.artifacts_root / artifact.path_parquet, file_hash):
                continue
            stored = _store_sidecar(paths, prepared, artifact, now)
            if stored is not None:
                return StoredFiles(stored, len(data))
    finally:
        discard(staged)
    raise ConflictError(
        f"{paths.artifacts_root / artifact.path_parquet} is taken by other bytes; run `quantlab lake recover`"
    )


def sync_folders(paths: LakePaths, stored: Sequence[StoredFiles]) -> None:
    """Make the directory entries of the files durable, each folder once."""
    for folder in sorted({(paths.artifacts_root / files.artifact.path_parquet).parent for files in stored}):
        sync_directory(folder)


def is_whole(paths: LakePaths, artifact: Artifact) -> bool:
    """Whether the stored Parquet file is there with the recorded bytes."""
    try:
        read_verified_bytes(resolve(paths, artifact.path_parquet), artifact.file_hash)
    except (ArtifactDamagedError, ArtifactMissingError):
        return False
    return True


def repair(paths: LakePaths, prepared: PreparedTable, artifact: Artifact) -> None:
    """Put a missing or damaged file back from the same content, if that gives the recorded bytes.

    Damaged bytes are moved to the quarantine folder, never deleted. Raises ArtifactDamagedError when other bytes come
    out.
    """
    path = resolve(paths, artifact.path_parquet)
    data = to_parquet(prepared.table, prepared.spec, artifact.logical_key)
    if sha256_of(data) != artifact.file_hash:
        raise ArtifactDamagedError(
            f"{path} is missing or damaged and this version of Arrow writes other bytes for its content;"
            " restore it from a backup"
        )
    staged = write_staged(paths.staging, data)
    try:
        if path.exists():
            make_directory(paths.quarantine / "damaged")
            with storage_errors(path):
                path.rename(paths.quarantine / "damaged" / f"{artifact.artifact_id}.parquet")
        link_without_replacing(staged, path)
        sync_directory(path.parent)
    finally:
        discard(staged)


def _artifact(prepared: PreparedTable, file_hash: str, length: int, created_at: str) -> Artifact:
    spec, request = prepared.spec, prepared.request
    digest = prepared.content_hash.partition(":")[2]
    path = artifact_folder(spec) / artifact_stem(spec, request.logical_key, request.filename_hint, digest[:length])
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
    limits: dict[str, datetime | None] = pc.min_max(table.column(spec.time_column)).as_py()  # type: ignore[assignment]
    earliest, latest = limits["min"], limits["max"]
    return (
        None if earliest is None else format_timestamp_us(earliest),
        None if latest is None else format_timestamp_us(latest),
    )


def _check_staged(staged: Path, prepared: PreparedTable, file_hash: str) -> None:
    """Read back what was written: the same bytes, and they decode to the same content."""
    data = read_verified_bytes(staged, file_hash)
    table = with_schema_of(decode(data, origin=str(staged)), prepared.spec)
    if hash_of_normal_form(table, prepared.spec) != prepared.content_hash:
        raise StorageError(
            f"{staged}: reading back {prepared.spec.label} {prepared.request.logical_key} gave other content;"
            " nothing was published"
        )


def _link_or_same(staged: Path, final: Path, file_hash: str) -> bool:
    if link_without_replacing(staged, final):
        return True
    with storage_errors(final):
        return sha256_of(final.read_bytes()) == file_hash


def _store_sidecar(paths: LakePaths, prepared: PreparedTable, artifact: Artifact, now: datetime) -> Artifact | None:
    """Write the sidecar; another publisher's for the same bytes is shared, with its time. None: the name is taken."""
    final = paths.artifacts_root / artifact.path_sidecar
    staged = write_staged(
        paths.staging, sidecar_bytes(artifact, prepared.spec, prepared.request, format_timestamp_us(now))
    )
    try:
        if link_without_replacing(staged, final):
            return artifact
    finally:
        discard(staged)
    known = read_sidecar(final)
    if known is None or not describes(known, artifact):
        return None
    return replace(artifact, created_at=format_timestamp(parse_timestamp(known["created_at"])))
