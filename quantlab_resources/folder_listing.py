"""What lies in a folder of the local disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

from quantlab_resources.artifacts.files.durable_files import storage_errors


def files_below(folder: Path, *, without: Collection[Path] = ()) -> Iterator[tuple[str, int]]:
    """Path and size in bytes of every file below ``folder``, in no order; none where there is no folder.

    Links are neither followed nor listed, and the folders in ``without`` are left out. What vanishes meanwhile is left
    out too. Raises StorageError.
    """
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        if path not in without:
            yield from _files_in(path, waiting)


def _files_in(folder: Path, folders: list[Path]) -> Iterator[tuple[str, int]]:
    """The files of one folder as they are met, so that a folder of any size takes no memory; adds to ``folders``."""
    with storage_errors(folder):
        try:
            entries = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(folder / entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        yield entry.path, entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
