"""What lies in a folder of the local disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from quantlab_resources.artifacts.durable_files import storage_errors


def files_below(folder: Path, *, without: Collection[Path] = ()) -> Iterator[tuple[Path, int]]:
    """Every file below ``folder`` with its size in bytes, in no order; none where there is no folder.

    Links are neither followed nor listed, and the folders in ``without`` are left out. What vanishes meanwhile is left
    out too. Raises StorageError.
    """
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if path not in without:
            folders, files = _entries(path)
            waiting += folders
            yield from files


def _entries(folder: Path) -> tuple[list[Path], list[tuple[Path, int]]]:
    folders, files = [], []
    with storage_errors(folder):
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
        except (FileNotFoundError, NotADirectoryError):
            return [], []
        for entry in found:
            try:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(folder / entry.name)
                elif entry.is_file(follow_symlinks=False):
                    files.append((folder / entry.name, entry.stat(follow_symlinks=False).st_size))
            except FileNotFoundError:
                continue
    return folders, files
