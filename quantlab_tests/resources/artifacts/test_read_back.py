"""What was staged is read back before it gets its name: a disk that lost or changed a byte publishes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quantlab_core.artifacts.artifact import ArtifactFilter
from quantlab_core.artifacts.artifact_files import STAGING
from quantlab_core.errors import StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.local_artifact_files import LocalArtifactFiles
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import HandClock, free_request


class ForgetfulFiles(LocalArtifactFiles):
    """A disk that gives back other bytes than those staged, where `damage` says so."""

    def __init__(self, paths: LakePaths, damage: Callable[[bytes], bytes]) -> None:
        super().__init__(paths)
        self.damage = damage

    def read(self, name: str) -> bytes:
        data = super().read(name)
        return self.damage(data) if name.startswith(STAGING) else data

    def read_blocks(self, name: str) -> Iterator[bytes]:
        blocks = super().read_blocks(name)
        return iter([self.damage(b"".join(blocks))]) if name.startswith(STAGING) else blocks


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[:-1], lambda data: data[:100] + b"?" + data[101:], lambda data: data[:-1] + b"?"],
    ids=["shorter", "another byte", "another last byte"],
)
@pytest.mark.parametrize("rows", [1, 400_000], ids=["read at once", "read block by block"])
def test_a_disk_that_gives_back_other_bytes_than_were_written_publishes_nothing(
    tmp_path: Path, damage: Callable[[bytes], bytes], rows: int
) -> None:
    paths = LakePaths.from_environment(tmp_path / "lake", {})
    store = ParquetArtifactStore.create(paths, clock=HandClock(), files=ForgetfulFiles(paths, damage))
    with pytest.raises(StorageError, match="gave other bytes; nothing was published"):
        store.publish(free_request(list(range(rows))))
    assert store.list_artifacts(ArtifactFilter()).artifacts == ()
    assert [path for path in paths.artifacts_root.rglob("*") if path.is_file()] == []
