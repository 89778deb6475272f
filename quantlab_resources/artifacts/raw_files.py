"""Files as they came in, kept read-only under ``raw/<sha256>``: where every lineage ends.

A file is known by its bytes. Under which name it came is provenance (tag ``file_name``), so the same export under two
names is one raw file.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest, PublishResult, Writer
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, InvalidInputError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.durable_files import (
    READ_ONLY,
    discard,
    link_without_replacing,
    make_directory,
    storage_errors,
    sync_directory,
    write_all,
)
from quantlab_resources.lake_paths import LakePaths

_BLOCK_BYTES = 1024 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


def archive_raw_file(
    store: ParquetArtifactStore,
    path: Path,
    kind: str,
    writer: Writer,
    *,
    tags: Mapping[str, str] | None = None,
    run_id: str | None = None,
) -> PublishResult:
    """Copy the file durably into the lake and publish what it is; archiving it again changes nothing.

    ``kind`` is ``telegram_export`` or ``candle_file``. The file's name becomes the tag ``file_name``.
    Raises InvalidInputError (unknown kind), StorageError (unreadable, or the disk refused).
    """
    if not isinstance(RAW_FILE.asset, Mapping) or kind not in RAW_FILE.asset:
        raise InvalidInputError(f"{path}: {kind!r} is no kind of raw file; known: {', '.join(RAW_FILE.assets)}")
    with store.publishing():
        digest, size = _archive(store.paths, path)
    return store.publish(
        PublishRequest(
            artifact_type=RAW_FILE.name,
            schema_version=RAW_FILE.version,
            logical_key=format_key(RAW_FILE, {"kind": kind, "sha256": digest}),
            data=pa.Table.from_pylist([{"sha256": digest, "byte_size": size, "kind": kind}], schema=RAW_FILE.schema),
            writer=writer,
            tags={"file_name": _printable(path.name)} | dict(tags or {}),
            run_id=run_id,
        )
    )


def raw_file_path(paths: LakePaths, sha256: str) -> Path:
    """Where the raw file with this SHA-256 (64 hex digits) is. Raises InvalidInputError, ArtifactMissingError."""
    if _SHA256.fullmatch(sha256) is None:
        raise InvalidInputError(f"{sha256[:80]!r} is no SHA-256 of a raw file")
    path = paths.raw_files / sha256
    if not path.is_file():
        raise ArtifactMissingError(f"{path} is gone; archive the file again")
    return path


def check_raw_file(paths: LakePaths, sha256: str) -> int:
    """Hash the raw file and return its size. Raises ArtifactMissingError, ArtifactDamagedError, StorageError."""
    path = raw_file_path(paths, sha256)
    with storage_errors(path), path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    if found != sha256:
        raise ArtifactDamagedError(f"{path} is damaged: its SHA-256 is {found}; archive the file again")
    return size


def _archive(paths: LakePaths, path: Path) -> tuple[str, int]:
    """Make ``raw/<sha256>`` hold the bytes of ``path``; what is hashed is what was copied, also if the file grows."""
    make_directory(paths.staging)
    with storage_errors(path), path.open("rb") as source:
        staged, digest, size = _copy(source, paths.staging)
    final = paths.raw_files / digest
    try:
        if _hash_of(staged) != digest:
            raise StorageError(f"{staged}: reading back the copy of {path} gave other bytes; nothing was archived")
        if not link_without_replacing(staged, final) and _hash_of(final) != digest:
            _set_aside(paths, final)
            link_without_replacing(staged, final)
    finally:
        discard(staged)
    sync_directory(final.parent)
    return digest, size


def _copy(source: BinaryIO, staging: Path) -> tuple[Path, str, int]:
    digest, size = hashlib.sha256(), 0
    descriptor, name = tempfile.mkstemp(dir=staging, prefix="raw-")
    try:
        with storage_errors(Path(name)), os.fdopen(descriptor, "wb", buffering=0) as copy:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                write_all(copy.fileno(), block)
            os.fchmod(copy.fileno(), READ_ONLY)
            os.fsync(copy.fileno())
    except BaseException:
        discard(Path(name))
        raise
    return Path(name), digest.hexdigest(), size


def _hash_of(path: Path) -> str:
    with storage_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _set_aside(paths: LakePaths, damaged: Path) -> None:
    make_directory(paths.quarantine / "damaged")
    with storage_errors(damaged):
        damaged.rename(paths.quarantine / "damaged" / f"raw-{damaged.name}")


def _printable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are replaced, since tags are text."""
    return os.fsencode(name).decode(errors="replace")
