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

from quantlab_resources.artifacts.durable_files import discard, replace_durably, storage_errors

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


def has_event(folder: Path, seq: int) -> bool:
    """Whether there is an event file of this sequence number, committed or not. Raises StorageError."""
    path = event_path(folder, seq)
    with storage_errors(path):
        return path.exists()


def event_sha256(folder: Path, seq: int) -> str:
    """SHA-256 of the event's bytes. Raises StorageError, from a FileNotFoundError when there is none."""
    path = event_path(folder, seq)
    with storage_errors(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def discard_event(folder: Path, seq: int) -> None:
    """Remove the event of a transaction that did not commit; what remains is removed by recovery."""
    discard(event_path(folder, seq))


def uncommitted_events(folder: Path, last_seq: int) -> list[Path]:
    """Files after the last committed event, and staged ones: leftovers, while nobody publishes."""
    last_name = event_path(folder, last_seq).name
    with storage_errors(folder):
        files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    return [path for path in files if path.name > last_name or path.name.startswith("staged-")]


def remove_leftover(path: Path) -> None:
    """Remove one of `uncommitted_events`. Raises StorageError."""
    with storage_errors(path):
        path.unlink(missing_ok=True)
