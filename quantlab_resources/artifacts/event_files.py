"""Event files: one small JSON file per manifest transaction, durable before its commit.

They hold what sidecars cannot know (publications, tags, head changes, tombstones, experiment states), so that sidecars
first and events in order give the manifest back. A file without a committed row was never acknowledged: the next writer
replaces it, recovery removes it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from quantlab_resources.artifacts.durable_files import replace_durably, storage_errors

_NAME = re.compile(r"(\d{12})\.json")


def event_path(folder: Path, seq: int) -> Path:
    """Where the event of this sequence number is."""
    return folder / f"{seq:012d}.json"


def write_event(folder: Path, seq: int, at: str, changes: Sequence[Mapping[str, Any]]) -> str:
    """Write the event durably and return the SHA-256 of its bytes. Only the holder of the manifest's write lock may."""
    body = json.dumps(
        {"seq": seq, "at": at, "changes": list(changes)}, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    data = body.encode() + b"\n"
    replace_durably(event_path(folder, seq), data)
    return hashlib.sha256(data).hexdigest()


def read_event(folder: Path, seq: int) -> dict[str, Any]:
    """The event of this sequence number. Raises StorageError, ValueError when it is not JSON."""
    path = event_path(folder, seq)
    with storage_errors(path):
        body: dict[str, Any] = json.loads(path.read_bytes())
    return body


def event_numbers(folder: Path) -> list[int]:
    """Sequence numbers of all event files, ascending."""
    with storage_errors(folder):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)
