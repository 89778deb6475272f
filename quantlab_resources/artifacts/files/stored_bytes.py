"""The bytes of a stored file, hashed a block at a time."""

from __future__ import annotations

import hashlib

from quantlab_core.artifacts.artifact_files import ArtifactFiles


def hash_and_size(files: ArtifactFiles, name: str) -> tuple[str, int]:
    """SHA-256, as 64 hex digits, and size of the file. Raises ArtifactMissingError, StorageError."""
    digest, size = hashlib.sha256(), 0
    for block in files.read_blocks(name):
        digest.update(block)
        size += len(block)
    return digest.hexdigest(), size
