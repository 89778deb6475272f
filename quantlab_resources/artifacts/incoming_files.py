"""Files of the caller's, outside the lake: read once, never changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from quantlab_core.errors import InvalidInputError, NotFoundError
from quantlab_resources.artifacts.files.durable_files import storage_errors

_BLOCK_BYTES = 1024 * 1024


def read_incoming(path: Path, *, max_bytes: int) -> bytes:
    """All bytes of a regular file: devices and pipes may never end.

    Raises NotFoundError, StorageError, and InvalidInputError for something else than a file, for one that is larger
    than ``max_bytes`` and for one that somebody is still writing.
    """
    with storage_errors(path):
        try:
            with open(path, "rb", opener=_open_without_waiting) as file:
                return _read_whole(file, path, max_bytes)
        except FileNotFoundError:
            raise NotFoundError(f"{path}: data file not found; check the path") from None
        except IsADirectoryError:
            raise InvalidInputError(f"{path} is not a regular file; give a Parquet or CSV file") from None


def incoming_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file of any size, 1 MiB at a time. Raises StorageError."""
    with storage_errors(path), path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


def _open_without_waiting(path: str, flags: int) -> int:
    """A pipe without a writer would keep an ordinary open waiting."""
    return os.open(path, flags | os.O_NONBLOCK)


def _read_whole(file: BinaryIO, path: Path, max_bytes: int) -> bytes:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise InvalidInputError(f"{path} is not a regular file; give a Parquet or CSV file")
    if status.st_size > max_bytes:
        raise InvalidInputError(
            f"{path} has {status.st_size} bytes, more than the {max_bytes} that one artifact may take; split it"
        )
    data = file.read(status.st_size + 1)
    if len(data) != status.st_size or os.fstat(file.fileno()).st_mtime_ns != status.st_mtime_ns:
        raise InvalidInputError(f"{path} changed while it was read; publish it when it is complete")
    return data
