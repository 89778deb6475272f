"""Files that are either completely and durably there under their final name, or not there.

The only steps are: write under a staging name, fsync, make read-only, link to the final name without replacing, fsync
the directory. Every refusal of the operating system becomes a StorageError that names the path.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from quantlab_core.errors import StorageError

Place = str | Path
"""A path; as text where thousands of them are used, because making a `Path` takes longer than some system calls."""

READ_ONLY = 0o444
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OWNER_ONLY = 0o600


@contextmanager
def storage_errors(path: Place) -> Iterator[None]:
    """Turn an OSError of the block into a StorageError that names ``path`` and the reason."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}; {_remedy(error.errno)}") from error


def write_staged(staging: Place, blocks: Iterable[bytes | memoryview]) -> str:
    """Write ``blocks`` to a new read-only file in ``staging`` and fsync it; whatever is raised, nothing is left then.

    After a failed fsync the kernel may have dropped the pages and report success next time, so the file is discarded.
    """
    path = f"{staging}/staged-{os.urandom(8).hex()}"
    descriptor = _created(path, staging)
    try:
        with storage_errors(path):
            try:
                for block in blocks:
                    _write_all(descriptor, block)
                os.fchmod(descriptor, READ_ONLY)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    except BaseException:
        discard(path)
        raise
    return path


def _created(path: str, folder: Place) -> int:
    """A descriptor of the new file, whose folder is made if it is not there."""
    with storage_errors(folder):
        try:
            return os.open(path, _NEW_FILE, _OWNER_ONLY)
        except FileNotFoundError:
            make_directory(Path(folder))
            return os.open(path, _NEW_FILE, _OWNER_ONLY)


def _write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write every byte; the system call may stop short."""
    remaining = memoryview(data)
    while remaining:
        remaining = remaining[os.write(descriptor, remaining) :]


def link_without_replacing(staged: Place, final: Place) -> bool:
    """Give ``staged`` its ``final`` name, atomically; False when that name is taken. Durable after `sync_directory`."""
    with storage_errors(final):
        try:
            _link(staged, final)
        except FileExistsError:
            return False
    return True


def _link(staged: Place, final: Place) -> None:
    try:
        os.link(staged, final)
    except FileNotFoundError:
        make_directory(Path(final).parent)
        os.link(staged, final)


def replace_durably(path: Path, data: bytes) -> None:
    """Write ``data`` as ``path``, replacing what is there: for files that only the holder of a lock writes."""
    folder = path.parent
    staged = write_staged(folder, [data])
    try:
        with storage_errors(path):
            os.replace(staged, path)  # noqa: PTH105 - see Place
    except BaseException:
        discard(staged)
        raise
    sync_directory(folder)


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents, and make each new entry durable in the directory above it."""
    if path.is_dir():
        return
    make_directory(path.parent)
    with storage_errors(path), suppress(FileExistsError):
        path.mkdir()
    sync_directory(path.parent)


def sync_directory(path: Place) -> None:
    """Make the entries of the directory durable."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def sync_file(path: Place) -> None:
    """Make what a library wrote into a file durable."""
    _sync(path, os.O_RDONLY)


def _sync(path: Place, flags: int) -> None:
    with storage_errors(path):
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def discard(path: Place) -> None:
    """Remove a staging file if it is there; what remains is removed by recovery."""
    with suppress(OSError):
        os.unlink(path)  # noqa: PTH108 - see Place


def _remedy(code: int | None) -> str:
    if code in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space and repeat; what was published before is safe"
    if code in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "grant write access or choose another QUANTLAB_HOME; what was published before is safe"
    return "check the disk and repeat; what was published before is safe"
