"""The files behind a projection's artifacts, verified, so that DuckDB may read them itself.

DuckDB does not check Parquet's page checksums, so the hash of every file is checked before. A file that is changed or
swapped between the check and DuckDB's reading is noticed by `check_unchanged`: its inode, size, and times of change are
taken before the hash and compared after the reading, and renaming or writing a file moves its time of change. So what
was read is what was hashed, but for a change within one tick of the kernel's clock (1 to 10 ms) after an earlier one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from quantlab_core.artifacts.any_version import newest_type_of
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.logical_type import plain_type
from quantlab_core.artifacts.registry import find_artifact_type
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.parquet_files import sha256_of
from quantlab_resources.artifacts.manifest import manifest_queries

TOKEN_COLUMNS = ("token", "token_address", "mint")
"""Names under which artifacts hold the token, in order of preference."""

_GLOB_CHARACTERS = frozenset("*?[")
_SHORT_ENOUGH_FOR_STATISTICS = 60
_MOST_THREADS = 8


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A local file that was verified. ``identity`` shows whether it changed since; ``tokens`` are those in it."""

    path: str
    identity: tuple[int, ...]
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredInput:
    """An artifact with the plain schema of its newest version.

    ``file`` is None where the store must decode: another version is stored, or columns that differ from the type's.
    """

    artifact: Artifact
    schema: pa.Schema
    file: VerifiedFile | None


def verified_inputs(store: ParquetArtifactStore, artifacts: Sequence[Artifact]) -> list[StoredInput]:
    """The artifacts with their schemas, those that DuckDB can read itself with their verified files; in order.

    Raises ArtifactDamagedError, ArtifactMissingError, StorageError, SchemaError (a type that no artifact may have).
    """
    with store.manifest.reading() as connection:
        stored = manifest_queries.get_many(connection, [artifact.artifact_id for artifact in artifacts])
    names = ["" if entry is None else entry.path_parquet for entry in stored]
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        return list(threads.map(lambda pair: _verified(store, *pair), zip(artifacts, names, strict=True)))


def check_unchanged(files: Iterable[VerifiedFile]) -> None:
    """Raise ArtifactDamagedError for a file that is not the one that was verified any more."""
    for file in files:
        try:
            identity = _identity(os.stat(file.path))  # noqa: PTH116 - thousands of them
        except OSError:
            identity = ()
        if identity != file.identity:
            raise ArtifactDamagedError(
                f"{file.path} was changed while it was read; nothing was built from it; see `quantlab lake verify`"
            )


@lru_cache(maxsize=256)  # thousands of files share a few schemas
def plain_schema(schema: pa.Schema) -> pa.Schema:
    """``schema`` without metadata, nullability and encodings: what two artifacts of one table must share."""
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


@lru_cache(maxsize=256)
def schema_difference(left: pa.Schema, right: pa.Schema) -> str:
    """The first difference in columns or types as a phrase; empty when there is none. Column order does not count."""
    for here, there in ((left, right), (right, left)):
        extra = [name for name in here.names if name not in there.names]
        if extra:
            return f"column {extra[0]!r} is in one only"
    for field in left:
        other = right.field(field.name)
        if field.type != other.type:
            return f"column {field.name!r} is {field.type} in the first and {other.type} in the second"
    return ""


def token_column_of(schema: pa.Schema) -> str | None:
    """The column of ``schema`` that holds the token as text."""
    return next((name for name in TOKEN_COLUMNS if name in schema.names and _is_text(schema.field(name))), None)


def _verified(store: ParquetArtifactStore, artifact: Artifact, name: str) -> StoredInput:
    own, newest = find_artifact_type(artifact.artifact_type, artifact.schema_version), newest_type_of(artifact)
    declared = None if newest is None or newest.is_lenient else plain_schema(newest.schema)
    if own is not None and own.upcast is not None and declared is not None:
        return StoredInput(artifact, declared, None)
    if own is not None and own.upcast is not None:
        return StoredInput(artifact, plain_schema(store.read(artifact.artifact_id).schema), None)
    path, identity, data = _verified_bytes(store, artifact, name)
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        found = plain_schema(file.schema_arrow.remove_metadata())
        is_as_declared = declared is None or not schema_difference(declared, found)
        if not is_as_declared or _GLOB_CHARACTERS & set(str(path)):  # DuckDB takes such a path for a pattern
            return StoredInput(artifact, declared if declared is not None else found, None)
        tokens = _tokens(file, token_column_of(found))
    return StoredInput(artifact, found, VerifiedFile(str(path), identity, tokens))


def _verified_bytes(store: ParquetArtifactStore, artifact: Artifact, name: str) -> tuple[Path, tuple[int, ...], bytes]:
    try:
        path = store.files.local_path(name)
        identity = _identity(path.stat())
        data = path.read_bytes()
        if sha256_of(data).removeprefix("sha256:") == artifact.file_hash.removeprefix("sha256:"):
            return path, identity, data
    except (OSError, ArtifactMissingError):
        path = None
    store.read(artifact.artifact_id)  # what is wrong, and what to do about it, is said in one place
    raise ArtifactDamagedError(
        f"{path or name} was unreadable or damaged for a moment; nothing was built; see `quantlab lake verify`"
    )


def _tokens(file: pq.ParquetFile, column: str | None) -> tuple[str, ...]:
    """The tokens in a file, most often from its footer: a slice holds one."""
    if column is None:
        return ()
    only = _only_token(file.metadata, file.schema_arrow.names.index(column))
    if only is not None:
        return (only,)
    values: Any = file.read([column]).column(0)
    return tuple(token for token in values.unique().to_pylist() if token is not None)


def _only_token(metadata: pq.FileMetaData, index: int) -> str | None:
    found: set[object] = set()
    for number in range(metadata.num_row_groups):
        part = metadata.row_group(number).column(index)
        statistics = part.statistics
        # Writers may shorten long values; ours never does, but adopted files have other writers.
        if statistics is None or not statistics.has_min_max or statistics.null_count:
            return None
        found |= {statistics.min, statistics.max}
    (token,) = found if len(found) == 1 else (None,)
    return token if isinstance(token, str) and len(token) < _SHORT_ENOUGH_FOR_STATISTICS else None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _is_text(field: pa.Field[Any]) -> bool:
    return bool(pa.types.is_string(field.type))
