"""Artifact files on a local disk: the adapter of `ArtifactFiles` that every lake uses.

A file is staged on the same file system, synced and made read-only; a hard link, which never replaces, gives it its
name; a sync of the folder makes the name durable.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from filecmp import cmp
from itertools import chain, count
from pathlib import Path

from quantlab_core.artifacts.artifact_files import STAGING, StoredFile
from quantlab_core.errors import ArtifactMissingError
from quantlab_resources.artifacts.files.durable_files import (
    discard,
    link_without_replacing,
    make_directory,
    storage_errors,
    sync_directory,
    write_staged,
)
from quantlab_resources.artifacts.files.file_names import name_in_lake
from quantlab_resources.folder_listing import files_below
from quantlab_resources.lake_paths import LakePaths

_BLOCK_BYTES = 1024 * 1024
_READ = os.O_RDONLY | os.O_CLOEXEC


class LocalArtifactFiles:
    """`quantlab_core.artifacts.artifact_files.ArtifactFiles` in one folder, which must allow hard links."""

    def __init__(self, paths: LakePaths) -> None:
        self._root = paths.artifacts_root
        self._root_text = str(self._root)
        self._staging = paths.staging
        self._quarantine = paths.quarantine

    def create(self) -> None:
        """Make the folder if it is not there."""
        make_directory(self._root)

    @contextmanager
    def staged(self, blocks: Iterable[bytes | memoryview]) -> Iterator[str]:
        """Bytes in a read-only file in the staging folder, synced; removed when the block ends."""
        path = write_staged(self._staging, blocks)
        try:
            yield f"{STAGING}/{os.path.basename(path)}"  # noqa: PTH119 - see durable_files.Place
        finally:
            discard(path)

    def put_if_absent(self, name: str, staged: str) -> bool:
        """Link the staged file to its name; False when the name is taken."""
        return link_without_replacing(self._location_of(staged), self._location_of(name))

    def make_durable(self, names: Iterable[str]) -> None:
        """Sync the folders of the names, each once."""
        for folder in sorted({os.path.dirname(self._location_of(name)) for name in names}):  # noqa: PTH120 - the same
            sync_directory(folder)

    def read(self, name: str) -> bytes:
        """All bytes of the file."""
        path = self._location_of(name)
        try:
            return _read_whole(path)
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissingError(f"{path} is gone") from None
        except OSError:
            with storage_errors(Path(path)):
                raise

    def read_blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of the file, 1 MiB at a time."""
        path = self._path(name)
        with _gone_or_refused(path), path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                yield block

    def list_files(self, folder: str = "") -> Iterator[StoredFile]:
        """Every file below the folder, or all, in no order; links are left out."""
        start = len(self._root_text) + 1
        for path, byte_size in files_below(self._root / folder):
            yield StoredFile(path[start:], byte_size)

    def set_aside(self, name: str, kept_as: str) -> None:
        """Move the file to the quarantine folder, durably; other bytes of that name there stay."""
        path, target = self._path(name), self._quarantine / kept_as
        with storage_errors(path):
            if not path.exists():
                return
            target = _name_for(path, target)
        make_directory(target.parent)
        with storage_errors(path):
            path.replace(target)
        sync_directory(target.parent)
        sync_directory(path.parent)

    def remove(self, name: str) -> bool:
        """Remove the file; False when it is gone already."""
        path = self._path(name)
        with storage_errors(path):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def discard_staged(self, name: str) -> None:
        """Remove a file from the staging folder."""
        path = self._path(name)
        with storage_errors(path):
            path.unlink(missing_ok=True)

    def location(self, name: str) -> str:
        """The absolute path of the file; a name that can be none here comes back as it is."""
        try:
            return self._location_of(name)
        except ArtifactMissingError:
            return name

    def change_marks(self, name: str) -> tuple[int, int, int, int] | None:
        """Inode, size, and the times of the last changes of content and of the inode, in nanoseconds."""
        try:
            status = os.stat(self._location_of(name))  # noqa: PTH116 - thousands of them
        except (OSError, ArtifactMissingError):
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def local_path(self, name: str) -> Path:
        """The file itself."""
        path = self._path(name)
        with _gone_or_refused(path):
            path.stat()
        return path

    def _path(self, name: str) -> Path:
        return Path(self._location_of(name))

    def _location_of(self, name: str) -> str:
        """Where a name is, always below the root. Raises ArtifactMissingError for one that would lead elsewhere."""
        if not name:
            return self._root_text
        known = name_in_lake(name)
        if known is None:
            raise ArtifactMissingError(f"{name[:200]!r} names no file of a lake; nothing was read")
        return f"{self._root_text}/{known}"


def _read_whole(path: str) -> bytes:
    """All bytes of a file, without the objects that `open` and `Path` make: a third of the time for a small one."""
    descriptor = os.open(path, _READ)
    try:
        size = os.fstat(descriptor).st_size
        blocks = [os.read(descriptor, size)]
        missing = size - len(blocks[0])
        while missing > 0 and (block := os.read(descriptor, missing)):
            blocks.append(block)
            missing -= len(block)
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)
    finally:
        os.close(descriptor)


def _name_for(path: Path, target: Path) -> Path:
    """``target``, or that name with a number, where no bytes but those of ``path`` are."""
    candidates = chain([target], (target.with_stem(f"{target.stem}-{number}") for number in count(2)))
    return next(kept for kept in candidates if not kept.exists() or cmp(path, kept, shallow=False))


@contextmanager
def _gone_or_refused(path: Path) -> Iterator[None]:
    with storage_errors(path):
        try:
            yield
        except (FileNotFoundError, NotADirectoryError):
            raise ArtifactMissingError(f"{path} is gone") from None
