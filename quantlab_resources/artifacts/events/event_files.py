"""Event files: one small JSON file per manifest transaction, durable before its commit.

They hold every change that was made to the manifest, so that replaying them in order gives it back. Each ends with the
SHA-256 of what stands before it, so that a damaged one is known without the manifest; those of schema 2 do not. A file
without a committed row is what a crash interrupted; see `interrupted_event`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quantlab_core.errors import IntegrityError, StorageError
from quantlab_resources.artifacts.files.durable_files import discard, replace_durably, storage_errors, sync_directory

_NAME = re.compile(r"(\d{12,})\.json")
_CHECKSUM = b',"sha256":"'
_END = b'"}\n'
_FIELDS_OF_SCHEMA_2 = {"at", "changes", "seq"}
STAGED = "staged-"
SET_ASIDE = "set-aside"


@dataclass(frozen=True, slots=True)
class Event:
    """One transaction: its number, when it was (UTC text), its changes in order, and the SHA-256 of its file.

    One that ``is_of_schema_2`` has no checksum and says less: see `schema_2_events`.
    """

    seq: int
    at: str
    changes: Sequence[Mapping[str, Any]]
    sha256: str
    is_of_schema_2: bool = False


def event_path(folder: Path, seq: int) -> Path:
    """Where the event of this sequence number is."""
    return folder / f"{seq:012d}.json"


def write_event(folder: Path, seq: int, at: str, changes: Sequence[Mapping[str, Any]]) -> str:
    """Write the event durably and return the SHA-256 of its bytes. Only the holder of the manifest's write lock may."""
    document = {"at": at, "changes": list(changes), "seq": seq}
    fields = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()[:-1]
    data = fields + _CHECKSUM + hashlib.sha256(fields).hexdigest().encode() + _END
    replace_durably(event_path(folder, seq), data)
    return hashlib.sha256(data).hexdigest()


def read_event(folder: Path, seq: int) -> Event:
    """The event of this sequence number.

    Raises IntegrityError for a damaged file; StorageError, from a FileNotFoundError when there is none.
    """
    path = event_path(folder, seq)
    with storage_errors(path):
        data = path.read_bytes()
    fields, _, end = data.rpartition(_CHECKSUM)
    has_checksum = end == hashlib.sha256(fields).hexdigest().encode() + _END
    event = json.loads(fields + b"}") if has_checksum else _of_schema_2(data)
    if event is None:
        raise IntegrityError(f"{path} is damaged; restore it from a backup")
    if event["seq"] != seq:
        raise IntegrityError(f"{path} is the event {event['seq']} under another number; restore it from a backup")
    sha256 = hashlib.sha256(data).hexdigest()
    return Event(seq, event["at"], event["changes"], sha256, is_of_schema_2=not has_checksum)


def _of_schema_2(data: bytes) -> dict[str, Any] | None:
    """An event without a checksum, if its bytes are exactly what was written then; a damaged later one never is."""
    try:
        event = json.loads(data)
        written = json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    except (ValueError, RecursionError):
        return None
    return event if written == data and isinstance(event, dict) and event.keys() == _FIELDS_OF_SCHEMA_2 else None


def event_numbers(folder: Path) -> Iterator[int]:
    """Sequence numbers of all event files, in no order and one at a time. Raises StorageError."""
    with storage_errors(folder):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                yield from (int(match[1]) for entry in entries if (match := _NAME.fullmatch(entry.name)))


def last_event_number(folder: Path) -> int:
    """The highest number of all event files; 0 where there is none. Raises StorageError."""
    return max(event_numbers(folder), default=0)


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
    """Remove the event of a transaction that did not commit; one that cannot be removed counts as interrupted."""
    discard(event_path(folder, seq))


def set_event_aside(folder: Path, seq: int) -> Path:
    """Keep the file under another name, where it is no event any more, and return that. Raises StorageError."""
    path, aside = event_path(folder, seq), folder / SET_ASIDE
    with storage_errors(path):
        aside.mkdir(exist_ok=True)
        copies = sum(1 for other in aside.iterdir() if other.name.startswith(path.stem))
        kept = aside / (f"{path.stem}-{copies}.json" if copies else path.name)
        path.replace(kept)
    sync_directory(aside)
    sync_directory(folder)
    return kept


def remove_staged_files(folder: Path) -> Iterator[Path]:
    """Remove what crashes left half-written, while nobody writes. Raises StorageError."""
    try:
        with storage_errors(folder):
            staged = sorted(path for path in folder.iterdir() if path.name.startswith(STAGED))
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return
        raise
    for path in staged:
        with storage_errors(path):
            path.unlink(missing_ok=True)
        yield path
