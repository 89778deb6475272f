"""A second place for artifacts, with the nature of an object store: whole objects by key, conditional puts, no folders,
no links, no renames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from quantlab_core.artifacts.artifact_files import QUARANTINE, STAGING, StoredFile
from quantlab_core.errors import ArtifactMissingError

BLOCK_BYTES = 64


class BucketFiles:
    """`ArtifactFiles` over a dictionary that stands for a bucket; ``copies`` is where it keeps copies for readers that
    seek. ``log`` notes every change in its order."""

    def __init__(self, copies: Path) -> None:
        self.objects: dict[str, bytes] = {}
        self.log: list[tuple[str, str]] = []
        self._copies = copies
        self._uploads = 0

    def create(self) -> None:
        self.log.append(("create", ""))

    @contextmanager
    def staged(self, blocks: Iterable[bytes | memoryview]) -> Iterator[str]:
        self._uploads += 1
        key = f"{STAGING}/upload-{self._uploads}"
        self.objects[key] = b"".join(blocks)
        self.log.append(("stage", key))
        try:
            yield key
        finally:
            self.objects.pop(key, None)

    def put_if_absent(self, name: str, staged: str) -> bool:
        self.log.append(("put", name))
        if name in self.objects:
            return False
        self.objects[name] = self._object(staged)
        return True

    def make_durable(self, names: Iterable[str]) -> None:
        self.log.extend(("durable", name) for name in names)

    def read(self, name: str) -> bytes:
        return self._object(name)

    def read_blocks(self, name: str) -> Iterator[bytes]:
        data = self._object(name)
        for start in range(0, len(data), BLOCK_BYTES):
            yield data[start : start + BLOCK_BYTES]

    def list_files(self, folder: str = "") -> Iterator[StoredFile]:
        prefix = f"{folder}/" if folder else ""
        for key in list(self.objects):
            if key.startswith(prefix):
                yield StoredFile(key, len(self.objects[key]))

    def set_aside(self, name: str, kept_as: str) -> None:
        if name in self.objects:
            self.log.append(("set aside", name))
            data, target = self.objects.pop(name), f"{QUARANTINE}/{kept_as}"
            while self.objects.get(target, data) != data:
                target += "-2"
            self.objects[target] = data

    def remove(self, name: str) -> bool:
        self.log.append(("remove", name))
        return self.objects.pop(name, None) is not None

    def discard_staged(self, name: str) -> None:
        del self.objects[name]

    def location(self, name: str) -> str:
        return f"s3://bucket/lake/{name}"

    def change_marks(self, name: str) -> None:
        return None

    def local_path(self, name: str) -> Path:
        data = self._object(name)
        copy = self._copies / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
        return copy

    def _object(self, name: str) -> bytes:
        try:
            return self.objects[name]
        except KeyError:
            raise ArtifactMissingError(f"{self.location(name)} is gone") from None
