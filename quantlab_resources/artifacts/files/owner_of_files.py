"""To which manifest a folder of artifacts belongs: one only, or each would clear away what the other names.

Beside ``artifacts`` in a home lies its manifest, which owns the folder. A folder that `ARTIFACTS_ROOT` puts elsewhere
holds the path of its manifest in the file ``_manifest``, relative to itself, so that both can be moved together. Where
that names no file any more, the next writer takes the folder over.
"""

from __future__ import annotations

import os
from pathlib import Path

from quantlab_core.errors import ConflictError
from quantlab_resources.artifacts.files.durable_files import discard, replace_durably, storage_errors
from quantlab_resources.lake_paths import LakePaths

MARK = "_manifest"
_USUAL = os.path.join("..", "manifest", "manifest.sqlite")  # noqa: PTH118 - text; see durable_files.Place


def check_owner(paths: LakePaths) -> None:
    """Raise ConflictError when the artifacts belong to another manifest that is still there."""
    root = paths.artifacts_root
    for name in (_marked(root), _USUAL):
        if name is not None and _is_another(root / name, paths.manifest_db):
            raise ConflictError(
                f"{root} belongs to the manifest {(root / name).resolve()}, not to {paths.manifest_db}; nothing was"
                " changed, give each lake an ARTIFACTS_ROOT of its own"
            )


def claim(paths: LakePaths) -> None:
    """Make the artifacts this manifest's, if they are nobody's. Raises ConflictError as `check_owner`, StorageError."""
    check_owner(paths)
    root = paths.artifacts_root
    name = os.path.relpath(paths.manifest_db.resolve(), root.resolve())
    if _marked(root) == (None if name == _USUAL else name):
        return
    if name == _USUAL:
        discard(root / MARK)
    else:
        replace_durably(root / MARK, os.fsencode(name))


def _marked(root: Path) -> str | None:
    path = root / MARK
    with storage_errors(path):
        try:
            return os.fsdecode(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None


def _is_another(owner: Path, manifest: Path) -> bool:
    try:
        return not owner.samefile(manifest)
    except (OSError, ValueError):
        return False  # one of them is not there: nobody else writes
