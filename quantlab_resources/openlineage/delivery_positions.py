"""How far each destination was told: a folder with one small file per destination, beside the manifest.

Not in the manifest, so that a rebuilt one sends nothing again and sending never waits for writers. Backing up
``manifest/`` takes it along.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.clock import Clock
from quantlab_core.errors import IntegrityError
from quantlab_resources.advisory_lock import locked_unless_held
from quantlab_resources.artifacts.events.event_files import remove_staged_files
from quantlab_resources.artifacts.files.durable_files import make_directory, replace_durably, storage_errors
from quantlab_resources.openlineage.lineage_outbox import Place

_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True)
class DeliveryPosition:
    """``destination`` has acknowledged everything up to ``place``, the last of it at ``at`` (UTC text)."""

    destination: str
    place: Place
    at: str


class DeliveryPositions:
    """The positions of one lake, in ``folder``."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def recorded(self, address: str) -> DeliveryPosition | None:
        """How far this destination was told; None when nothing was ever sent there. Raises IntegrityError."""
        path = self._path(address)
        with storage_errors(path):
            if not path.exists():
                return None
            data = path.read_bytes()
        try:
            said = json.loads(data)
            place = Place(int(said["sequence"]), int(said["part"]), int(said["parts"]), str(said["sha256"]))
            return DeliveryPosition(str(said["destination"]), place, str(said["at"]))
        except (ValueError, KeyError, TypeError) as error:
            raise IntegrityError(
                f"{path} is damaged; nothing was sent; restore it from a backup, or remove it to send everything to"
                f" {address} again under the same run ids"
            ) from error

    def move(self, address: str, place: Place) -> None:
        """Record that everything up to ``place`` was acknowledged. Only who has locked the destination may."""
        said = {
            "destination": address,
            "sequence": place.sequence,
            "part": place.part,
            "parts": place.parts,
            "sha256": place.sha256,
            "at": format_timestamp(self._clock.now()),
        }
        path = self._path(address)
        make_directory(path.parent)
        replace_durably(path, json.dumps(said).encode() + b"\n")

    @contextmanager
    def locked(self, address: str) -> Iterator[bool]:
        """Within the block nobody else sends from this lake to this destination; yields False when somebody does."""
        folder = self._path(address).parent
        with locked_unless_held(folder / "sending.lock") as is_alone:
            if is_alone:
                deque(remove_staged_files(folder), maxlen=0)  # what a crash left half-written
            yield is_alone

    def _path(self, address: str) -> Path:
        return self._folder / hashlib.sha256(address.encode()).hexdigest()[:_NAME_DIGITS] / "position.json"
