"""Disposable files to be mapped: a footer says what they hold, and they take their name when they are complete.

The footer is JSON, followed by its length, its SHA-256 and a magic number. Nothing is synced to the disk: a file that a
crash cut short does not match its checksums, and is made again.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from quantlab_resources.artifacts.files.durable_files import discard, storage_errors

_TAIL = struct.Struct("<Q32s8s")


@contextmanager
def replacing(path: Path, building: Path) -> Iterator[int]:
    """A descriptor of a new file ``building``, which takes the place of ``path`` when the block ends without an error.

    Raises StorageError.
    """
    with storage_errors(building):
        descriptor = os.open(building, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        try:
            with storage_errors(building):
                yield descriptor
        finally:
            os.close(descriptor)
        with storage_errors(path):
            building.replace(path)
    except BaseException:
        discard(building)
        raise


def write_at(descriptor: int, data: bytes | memoryview, at: int) -> None:
    """Write every byte; the system call may stop short."""
    remaining = memoryview(data).cast("B")
    while remaining:
        written = os.pwrite(descriptor, remaining, at)
        at, remaining = at + written, remaining[written:]


def sealed_footer(footer: Mapping[str, Any], magic: bytes) -> bytes:
    """The end of a file of the kind ``magic`` (8 bytes). ``footer`` gets the ``byteorder``."""
    stated = {**footer, "byteorder": sys.byteorder}
    text = json.dumps(stated, ensure_ascii=False, separators=(",", ":")).encode()
    return text + _TAIL.pack(len(text), hashlib.sha256(text).digest(), magic)


def read_footer(descriptor: int, magic: bytes, file_format: str) -> dict[str, Any] | None:
    """The footer, if it is whole, of this machine's byte order, and its ``format`` is ``file_format``."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL.size, max(0, size - _TAIL.size))
    if len(tail) != _TAIL.size:
        return None
    length, digest, found = _TAIL.unpack(tail)
    if found != magic or length > size - _TAIL.size:
        return None
    text = os.pread(descriptor, length, size - _TAIL.size - length)
    if hashlib.sha256(text).digest() != digest:
        return None
    footer: dict[str, Any] = json.loads(text)
    return footer if footer.get("format") == file_format and footer.get("byteorder") == sys.byteorder else None


def mapped_file(path: Path, magic: bytes, file_format: str, **stated: Any) -> tuple[mmap.mmap, dict[str, Any]] | None:
    """The file in memory and its footer; None unless the footer can be read and says what is ``stated``.

    The map stays good when the file is replaced or deleted. Raises OSError, ValueError, KeyError.
    """
    with path.open("rb") as file:
        footer = read_footer(file.fileno(), magic, file_format)
        if footer is None or any(footer[name] != value for name, value in stated.items()):
            return None
        # Private and writable: no write ever reaches the file, and compiled code sees one kind of array.
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), footer


def checksum(values: npt.NDArray[Any], state: int | None = None) -> int:
    """The checksum of ``values`` (words of 64 bits) after those whose checksum is ``state``."""
    from quantlab_core.simulation.compiled.checksum_kernel import START, checksum_of_words

    return int(checksum_of_words(values.view(np.uint64), np.uint64(START if state is None else state)))
