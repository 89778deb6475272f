"""Files that are either completely and durably there under their final name, or not there.

The only steps are: write under a staging name, fsync, make read-only, link to the final name without replacing, fsync
the directory. Every refusal of the operating system becomes a StorageError that names the path.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quantlab_core.errors import StorageError

READ_ONLY = 0o444


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names ``path`` and the reason."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; {_remedy(error.errno)}") from error


def write_staged(staging: Path, blocks: Iterable[bytes]) -> Path:
    """Write ``blocks`` to a new read-only file in ``staging`` and fsync it; whatever is raised, nothing is left then.

    After a failed fsync the kernel may have dropped the pages and report success next time, so the file is discarded.
    """
    make_directory(staging)
    with storage_errors(staging):
        descriptor, name = tempfile.mkstemp(dir=staging, prefix="staged-")
    path = Path(name)
    try:
        with storage_errors(path), open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - from a descriptor
            for block in blocks:
                _write_all(file.fileno(), block)
            os.fchmod(file.fileno(), READ_ONLY)
            os.fsync(file.fileno())
    except BaseException:
        discard(path)
        raise
    return path


def _write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; the system call may stop short."""
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def link_without_replacing(staged: Path, final: Path) -> bool:
    """Give ``staged`` its ``final`` name, atomically; False when that name is taken. Durable after `sync_directory`."""
    make_directory(final.parent)
    with storage_errors(final):
        try:
            os.link(staged, final)
        except FileExistsError:
            return False
    return True


def replace_durably(path: Path, data: bytes) -> None:
    """Write ``data`` as ``path``, replacing what is there: for files that only the holder of a lock writes."""
    staged = write_staged(path.parent, [data])
    try:
        with storage_errors(path):
            staged.replace(path)
    except BaseException:
        discard(staged)
        raise
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents, and make each new entry durable in the directory above it."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with storage_errors(path), suppress(FileExistsError):
        path.mkdir()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the entries of the directory durable."""
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def discard(path: Path) -> None:
    """Remove a staging file if it is there; what remains is removed by recovery."""
    with suppress(OSError):
        path.unlink()


def _remedy(code: int | None) -> str:
    if code in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space and repeat; what was published before is safe"
    if code in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "grant write access or choose another QUANTLAB_HOME; what was published before is safe"
    return "check the disk and repeat; what was published before is safe"
