"""The hidden names beside a projection under which it is built, and what builds that died left under them.

An id may contain dots, so names are matched whole: ``.exp.v2.17.building`` is of ``exp.v2``, not of ``exp``.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from quantlab_resources.artifacts.files.durable_files import storage_errors


def building_path(folder: Path, projection_id: str) -> Path:
    """Where this process builds the projection, file or folder, before it is swapped in."""
    return folder / f".{projection_id}.{os.getpid()}.building"


def link_path(folder: Path, projection_id: str) -> Path:
    """The link to a new dataset before it takes the place of the old link."""
    return folder / f".{projection_id}.{os.getpid()}.link"


def new_dataset_path(folder: Path, projection_id: str) -> Path:
    """A name for the folder of a finished dataset, which no other has."""
    return folder / f".{projection_id}.{os.urandom(8).hex()}.dataset"


def remove_unfinished_builds(folder: Path, projection_id: str) -> None:
    """Delete what builds that died left behind. The caller holds the locks. Raises StorageError."""
    link = folder / projection_id
    used = link.resolve().name if link.is_symlink() else ""
    temporary = re.compile(
        rf"\.{re.escape(projection_id)}\.([0-9]+\.(building(\.wal|\.spill)?|link)|[0-9a-f]{{16}}\.dataset)"
    )
    with storage_errors(folder):
        for path in folder.iterdir():
            if path.name == used or temporary.fullmatch(path.name) is None:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
