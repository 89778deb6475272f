"""The bytes of a stored file, hashed or compared a block at a time."""

from __future__ import annotations

import hashlib

from quantlab_core.artifacts.artifact_files import ArtifactFiles

_READ_AT_ONCE = 1024 * 1024


def hash_and_size(files: ArtifactFiles, name: str) -> tuple[str, int]:
    """SHA-256, as 64 hex digits, and size of the file. Raises ArtifactMissingError, StorageError."""
    digest, size = hashlib.sha256(), 0
    for block in files.read_blocks(name):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size


def holds_bytes(files: ArtifactFiles, name: str, expected: memoryview) -> bool:
    """Whether the file holds exactly these bytes. Raises ArtifactMissingError, StorageError."""
    # Copies of a block, because bytes are compared at once and views byte by byte.
    if len(expected) <= _READ_AT_ONCE:
        return files.read(name) == expected.tobytes()
    place = 0
    for block in files.read_blocks(name):
        if block != expected[place : place + len(block)].tobytes():
            return False
        place += len(block)
    return place == len(expected)
