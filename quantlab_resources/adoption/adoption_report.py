"""What an adoption did: what was taken over, what of it was confirmed, and what was left as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quantlab_resources.adoption.earlier_rows import RefusedRow


@dataclass(slots=True)
class TypeCounts:
    """Artifacts of one type and schema version.

    ``content`` counts them by the edition of the earlier content hash that matched, ``unconfirmed`` and ``unreadable``
    among them. ``left_out_rows`` are those that readers of the newest schema do not see.
    """

    artifact_type: str
    schema_version: int
    adopted: int = 0
    files: Counter[str] = field(default_factory=Counter)
    content: Counter[str] = field(default_factory=Counter)
    sidecars: Counter[str] = field(default_factory=Counter)
    heads: int = 0
    rows: int = 0
    left_out_rows: int = 0


@dataclass(frozen=True, slots=True)
class DoubtfulArtifact:
    """An artifact of which something could not be confirmed; ``doubts`` says what, one line each."""

    artifact_id: str
    artifact_type: str
    logical_key: str
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SeveralActive:
    """A key under which the earlier store had several active artifacts; the newest whole one is the head."""

    artifact_type: str
    logical_key: str
    artifacts: int


@dataclass(slots=True)
class AdoptionReport:
    """``types`` is by (type, version).

    ``checked_again`` counts artifacts that had been adopted before with a file that was not whole; ``lineage_left_out``
    inputs that are not in the lake or would close a circle. ``without_head`` are the keys of which no active artifact
    can be read. ``unregistered`` are Parquet files that no row names, ``left_alone`` the folders that belong to no
    artifact. ``undo`` is a line for the shell; None where nothing was changed that it could put back.
    """

    types: dict[tuple[str, int], TypeCounts] = field(default_factory=dict)
    known_before: int = 0
    checked_again: int = 0
    refused: list[RefusedRow] = field(default_factory=list)
    doubtful: list[DoubtfulArtifact] = field(default_factory=list)
    lineage_left_out: int = 0
    several_active: Sequence[SeveralActive] = ()
    without_head: Sequence[tuple[str, str]] = ()
    unregistered: Sequence[str] = ()
    left_alone: Sequence[Path] = ()
    home: Path | None = None
    manifest_copy: Path | None = None
    undo: str | None = None

    @property
    def adopted(self) -> int:
        """Artifacts that were taken over now."""
        return sum(counts.adopted for counts in self.types.values())

    @property
    def heads(self) -> int:
        """Keys that got a head now."""
        return sum(counts.heads for counts in self.types.values())

    def of_type(self, artifact_type: str, schema_version: int) -> TypeCounts:
        """The counts of one type, made at the first call."""
        return self.types.setdefault((artifact_type, schema_version), TypeCounts(artifact_type, schema_version))
