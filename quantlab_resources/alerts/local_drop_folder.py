"""The drop folder on disk: ``staging/telegram`` of the lake."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from quantlab_core.alerts.alert_source import ReadOptions
from quantlab_core.alerts.drop_folder import DroppedExport
from quantlab_core.errors import InvalidInputError, NotFoundError, StorageError, first_line
from quantlab_resources.alerts.export_folder import export_sha256
from quantlab_resources.alerts.read_options_config import bare_chat_id, options_from_config

INGESTED = "_ingested"
REFUSED = "_refused"
NOTE = ".yaml"
REASON = ".reason.txt"
# What browsers, download managers and file synchronisers call a file that is not whole yet.
UNDER_WAY = (".part", ".partial", ".crdownload", ".download", ".tmp", ".temp", ".filepart", ".!ut", ".aria2")
_SAID: dict[str, type] = {"time_zone": str, "salvage": bool, "chat_id": int}


@dataclass(frozen=True, slots=True)
class LocalDropFolder:
    """`quantlab_core.alerts.drop_folder.DropFolder` at ``path``, which need not be there yet.

    Names that begin with a dot, a tilde or an underscore are none of its business, nor are those of `UNDER_WAY`.
    """

    path: Path

    def waiting(self) -> Sequence[DroppedExport]:
        """As the port says."""
        now = time.time()
        found = []
        try:
            entries = sorted(self.path.iterdir()) if self.path.is_dir() else []
        except OSError as error:
            raise StorageError(f"{self.path} cannot be listed: {error.strerror or error}") from error
        for entry in entries:
            if entry.name[0] in "._~" or entry.name.lower().endswith((*UNDER_WAY, NOTE)):
                continue
            with suppress(FileNotFoundError):  # taken away between listing and looking
                size, modified_ns = _state(entry)
                found.append(DroppedExport(entry.name, entry, size, modified_ns, now - modified_ns / 1e9))
        return found

    def options(self, export: DroppedExport) -> ReadOptions:
        """As the port says."""
        note = self._note(export.name)
        try:
            said: Any = yaml.safe_load(note.read_text("utf-8")) if note.is_file() else {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise InvalidInputError(f"{note} cannot be read as YAML: {first_line(error)}") from None
        said = {} if said is None else said
        if isinstance(said, dict) and isinstance(said.get("chat_id"), int | str):
            said["chat_id"] = bare_chat_id(str(said["chat_id"]))
        if not isinstance(said, dict) or any(type(value) is not _SAID.get(name) for name, value in said.items()):
            raise InvalidInputError(f"{note} may say time_zone: ZONE, chat_id: NUMBER and salvage: true, nothing else")
        return options_from_config(said)

    def sha256(self, export: DroppedExport) -> str:
        """As the port says."""
        try:
            return export_sha256(export.path)
        except FileNotFoundError:
            raise NotFoundError(f"{export.path} not found; it was taken away again") from None
        except OSError as error:
            raise StorageError(f"{export.path} cannot be read: {error.strerror or error}") from error

    def keep(self, export: DroppedExport) -> None:
        """As the port says."""
        self._move(export, INGESTED)

    def refuse(self, export: DroppedExport, reason: str) -> Path:
        """As the port says."""
        moved = self._move(export, REFUSED)
        try:
            moved.with_name(moved.name + REASON).write_text(f"{reason}\n", "utf-8", "replace")
        except OSError as error:
            raise StorageError(f"{moved} was set aside without its reason: {error.strerror or error}") from error
        return moved

    def _move(self, export: DroppedExport, folder: str) -> Path:
        """Rename it and its note, under a free name. What is gone already was moved by somebody else."""
        target_folder = self.path / folder
        try:
            target_folder.mkdir(parents=True, exist_ok=True)
            target = _free(target_folder / export.name)
            note = self._note(export.name)
            with suppress(FileNotFoundError):
                export.path.rename(target)
                if note.is_file():
                    note.rename(target.with_name(target.name + NOTE))
        except OSError as error:
            raise StorageError(
                f"{export.path} cannot be moved to {target_folder}: {error.strerror or error}"
            ) from error
        return target

    def _note(self, name: str) -> Path:
        return self.path / f"{name}{NOTE}"


def _state(entry: Path) -> tuple[int, int]:
    """Size and time of the last change; of a folder those of the files right in it, media folders left out."""
    stat = entry.stat()
    if not entry.is_dir():
        return stat.st_size, stat.st_mtime_ns
    inside = [found.stat() for found in entry.iterdir() if found.is_file()]
    return sum(found.st_size for found in inside), max([stat.st_mtime_ns, *(found.st_mtime_ns for found in inside)])


def _free(target: Path) -> Path:
    number = 1
    free = target
    while free.exists():
        number += 1
        free = target.with_name(f"{target.stem} ({number}){target.suffix}")
    return free
