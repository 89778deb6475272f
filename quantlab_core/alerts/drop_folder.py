"""Port of the drop folder: where exports are put by hand or by other programs, to be ingested without being asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from quantlab_core.alerts.alert_source import ReadOptions


@dataclass(frozen=True, slots=True)
class DroppedExport:
    """An export in the drop folder as one look at it showed: a file, or a folder with the files of one export.

    ``size`` and ``modified_ns`` change while it is being written; ``age_s`` is the time since it last did.
    """

    name: str
    path: Path
    size: int
    modified_ns: int
    age_s: float

    @property
    def state(self) -> tuple[int, int]:
        """Equal for two looks between which nothing was written."""
        return self.size, self.modified_ns

    def reason(self, error: Exception) -> str:
        """What is wrong with it, by its name: where the folder lies does not matter to who looks at the reason."""
        return str(error).replace(str(self.path), self.name)


class DropFolder(Protocol):
    """Exports that wait; each leaves the folder either ingested or refused, and is never deleted."""

    def waiting(self) -> Sequence[DroppedExport]:
        """All that lies there, by name, but for what bears the name of a file under way. Raises StorageError."""
        ...

    def options(self, export: DroppedExport) -> ReadOptions:
        """What the note beside it says (``<name>.yaml``). Raises InvalidInputError for a note that says it wrongly."""
        ...

    def sha256(self, export: DroppedExport) -> str:
        """SHA-256 of the bytes that would be archived. Raises TelegramExportError, NotFoundError, StorageError."""
        ...

    def keep(self, export: DroppedExport) -> None:
        """Move it to those that were ingested. Raises StorageError."""
        ...

    def refuse(self, export: DroppedExport, reason: str) -> Path:
        """Set it aside with the reason written beside it; where it is now. Raises StorageError."""
        ...
