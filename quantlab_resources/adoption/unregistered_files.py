"""What lies in an earlier lake without a row: files that nobody registered, and folders that hold no artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from quantlab_core.artifacts.artifact_files import QUARANTINE, RAW_FILES, STAGING, ArtifactFiles
from quantlab_resources.artifacts.files.durable_files import storage_errors
from quantlab_resources.artifacts.files.file_names import name_in_lake

_TABLE_SUFFIX = ".parquet"
_FOLDERS_BESIDE = ("staging", "cache", "coverage")
_OURS = {QUARANTINE, STAGING, RAW_FILES}


def unregistered_files(files: ArtifactFiles, stored_paths: Iterable[str]) -> list[str]:
    """Names of the Parquet files below the artifacts root that no stored path names, in order."""
    registered = {name_in_lake(path) for path in stored_paths}
    return sorted(
        file.name
        for file in files.list_files()
        if file.name.endswith(_TABLE_SUFFIX) and not file.name.startswith("_") and file.name not in registered
    )


def folders_left_alone(artifacts_root: Path, home: Path) -> Iterator[Path]:
    """Folders of the earlier store that hold no registered artifacts: quarantines, staging, caches, coverage."""
    with storage_errors(artifacts_root):
        inside = sorted(path for path in artifacts_root.iterdir() if path.name.startswith("_") and path.is_dir())
        yield from (path for path in inside if path.name not in _OURS - {QUARANTINE})
        yield from (home / name for name in _FOLDERS_BESIDE if (home / name).is_dir())
