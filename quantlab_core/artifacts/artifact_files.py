"""Port of artifact files: where the bytes of artifacts, sidecars and raw files are kept.

To keep them elsewhere (an object store, say), implement this and choose it in `Lab.artifact_files`. The manifest, its
event files and the locks are no part of it: they stay on a local disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

RAW_FILES = "raw"
"""Folder of the files as they came in, named by their SHA-256."""

STAGING = "_tmp"
"""Folder of the bytes under way; nothing here was published."""

QUARANTINE = "_quarantine"
"""Folder of the bytes that were taken out of use: damaged files and orphans."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One file that is kept."""

    name: str
    byte_size: int


class ArtifactFiles(Protocol):
    """Immutable files by name, shared by any number of processes.

    A name is relative to the root, with ``/`` between its parts (``alerts_v1/v2/….parquet``); names whose first part
    begins with ``_`` are no artifacts. A name has no bytes or all of them, and always the same ones. Every operation
    raises StorageError, with the location, when the place refuses; what reads raises ArtifactMissingError when there is
    no such file.
    """

    def create(self) -> None:
        """Make the root if it is not there."""
        ...

    def staged(self, blocks: Iterable[bytes | memoryview]) -> AbstractContextManager[str]:
        """Within the block, the joined bytes are durable under the yielded name in `STAGING`; afterwards that name is
        gone. Takes one block at a time, so memory does not grow with the file."""
        ...

    def put_if_absent(self, name: str, staged: str) -> bool:
        """Give staged bytes their name, in one step and never in place of others: False when the name is taken.

        Durable after `make_durable`.
        """
        ...

    def make_durable(self, names: Iterable[str]) -> None:
        """Return when the names that were given survive a crash."""
        ...

    def read(self, name: str) -> bytes:
        """All bytes of the file."""
        ...

    def read_blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of the file in blocks, for files of any size."""
        ...

    def list_files(self, folder: str = "") -> Iterator[StoredFile]:
        """Every file below the folder, or all, in no order; what vanishes meanwhile may be left out."""
        ...

    def set_aside(self, name: str, kept_as: str) -> None:
        """Take a file out of use: its bytes stay as ``kept_as`` in `QUARANTINE`, with a number where other bytes have
        that name. One that is gone is left alone."""
        ...

    def remove(self, name: str) -> bool:
        """Give up the file and its bytes for good; False when it is gone already. Durable after `make_durable`."""
        ...

    def discard_staged(self, name: str) -> None:
        """Remove what a crashed publisher left in `STAGING`. Whoever calls this knows that nobody publishes."""
        ...

    def location(self, name: str) -> str:
        """Where the file is, or would be: a path or an address, for messages and ``Artifact.path_parquet``."""
        ...

    def change_marks(self, name: str) -> tuple[int, int, int, int] | None:
        """Numbers that are others after the file was changed or replaced, the times of its last changes among them;
        None where there is no such file, or the place knows none. For who wants to read only what may have changed."""
        ...

    def local_path(self, name: str) -> Path:
        """A local file with these bytes, for readers that seek: the file itself, or a copy that the adapter keeps."""
        ...
