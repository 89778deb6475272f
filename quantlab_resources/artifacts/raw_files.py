"""Files as they came in, kept read-only under ``raw/<sha256>``: where every lineage ends.

A file is known by its bytes. Under which name it came is provenance (tag ``file_name``), so the same export under two
names is one raw file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishRequest, PublishResult, Writer
from quantlab_core.artifacts.artifact_files import ArtifactFiles
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.errors import ArtifactDamagedError, ArtifactMissingError, InvalidInputError, StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.file_names import raw_file_name
from quantlab_resources.artifacts.files.stored_bytes import hash_and_size
from quantlab_resources.artifacts.incoming_files import incoming_blocks


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
    # One block for both: a collection between them would take the bytes that no row in use names yet.
    with store.publishing():
        digest, size = _archive(store.files, path)
        return store.publish(
            PublishRequest(
                artifact_type=RAW_FILE.name,
                schema_version=RAW_FILE.version,
                logical_key=format_key(RAW_FILE, {"kind": kind, "sha256": digest}),
                data=pa.Table.from_pylist(
                    [{"sha256": digest, "byte_size": size, "kind": kind}], schema=RAW_FILE.schema
                ),
                writer=writer,
                tags={"file_name": _printable(path.name)} | dict(tags or {}),
                run_id=run_id,
            )
        )


def raw_file_path(store: ParquetArtifactStore, sha256: str) -> Path:
    """A local file with the raw file's bytes. Raises InvalidInputError, ArtifactMissingError."""
    name = raw_file_name(sha256)
    with _archive_again_if_gone():
        return store.files.local_path(name)


def check_raw_file(store: ParquetArtifactStore, sha256: str) -> int:
    """Hash the raw file and return its size. Raises ArtifactMissingError, ArtifactDamagedError, StorageError."""
    files, name = store.files, raw_file_name(sha256)
    with _archive_again_if_gone():
        found, size = hash_and_size(files, name)
    if found != sha256:
        raise ArtifactDamagedError(f"{files.location(name)} is damaged: its SHA-256 is {found}; archive the file again")
    return size


@contextmanager
def _archive_again_if_gone() -> Iterator[None]:
    try:
        yield
    except ArtifactMissingError as error:
        raise ArtifactMissingError(f"{error}; archive the file again") from None


def _archive(files: ArtifactFiles, path: Path) -> tuple[str, int]:
    """Make ``raw/<sha256>`` hold the bytes of ``path``; what is hashed is what was copied, also if the file grows."""
    digest, size = hashlib.sha256(), 0

    def hashed() -> Iterator[bytes]:
        nonlocal size
        for block in incoming_blocks(path):
            digest.update(block)
            size += len(block)
            yield block

    with files.staged(hashed()) as staged:
        sha256 = digest.hexdigest()
        name = raw_file_name(sha256)
        if hash_and_size(files, staged)[0] != sha256:
            raise StorageError(
                f"{files.location(staged)}: reading back the copy of {path} gave other bytes; nothing was archived"
            )
        if not files.put_if_absent(name, staged) and hash_and_size(files, name)[0] != sha256:
            files.set_aside(name, f"damaged/raw-{sha256}")
            files.put_if_absent(name, staged)
    files.make_durable([name])
    return sha256, size


def _printable(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are replaced, since tags are text."""
    return os.fsencode(name).decode(errors="replace")
