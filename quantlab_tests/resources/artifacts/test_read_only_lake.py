"""A lake that may only be read: questions are answered, publishing is refused with the path."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantlab_core.errors import StorageError
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.artifacts.lakes import HandClock, free_request, new_store

NOBODY = 65_534
GOOD, READ_FAILED, WRITE_WAS_NOT_REFUSED = 0, 2, 3


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other users can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="quantlab-read-only-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def use(home: Path, artifact_id: str) -> int:
    store = ParquetArtifactStore(LakePaths.from_environment(home, {}), clock=HandClock())
    if store.read(artifact_id).num_rows != 1 or len(store.heads("outside")) != 1:
        return READ_FAILED
    try:
        store.publish(free_request([2]))
    except StorageError as error:
        return GOOD if str(home) in str(error) else WRITE_WAS_NOT_REFUSED
    return WRITE_WAS_NOT_REFUSED


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lake_without_write_permission_is_read_and_refuses_to_publish(shared_folder: Path) -> None:
    home = shared_folder / "lake"
    store = new_store(home)
    artifact_id = store.publish(free_request([1])).artifact_id
    store.close()
    for path in [home, *home.rglob("*")]:
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222 | 0o444 | (0o111 if path.is_dir() else 0))
    child = os.fork()
    if child == 0:
        status = READ_FAILED
        try:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            status = use(home, artifact_id)
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == GOOD
