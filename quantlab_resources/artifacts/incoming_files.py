"""Files of the caller's, outside the lake: read once, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from quantlab_core.errors import InvalidInputError
from quantlab_resources.artifacts.durable_files import storage_errors

_BLOCK_BYTES = 1024 * 1024


def read_incoming(path: Path, *, max_bytes: int) -> bytes:
    """All bytes of a file. Raises StorageError, and InvalidInputError for one that is larger than ``max_bytes``."""
    with storage_errors(path):
        size = path.stat().st_size
        if size > max_bytes:
            raise InvalidInputError(
                f"{path} has {size} bytes, more than the {max_bytes} that one artifact may take; split it"
            )
        return path.read_bytes()


def incoming_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file of any size, 1 MiB at a time. Raises StorageError."""
    with storage_errors(path), path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
