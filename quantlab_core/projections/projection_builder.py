"""Port of the projection builder: disposable, rebuildable DuckDB files made from artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ProjectionIndex:
    """A wish for fast access to ``table`` by ``columns``; served by the table's sort order."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectionRequest:
    """What to build: for each table, the artifact ids whose rows it holds. Artifact sets stand for their members.

    ``tables`` maps a table name to artifact ids, e.g. ``{"alerts": [...], "ohlcv": [...]}``.
    """

    projection_id: str
    tables: Mapping[str, Sequence[str]]
    indexes: tuple[ProjectionIndex, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectionTable:
    """One table of a built projection. ``indexes`` says how each index request was served."""

    name: str
    row_count: int
    columns: tuple[str, ...]
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectionResult:
    """A built projection. ``fingerprint`` is a hash of its logical content, equal for equal content."""

    projection_id: str
    duckdb_path: str
    tables: tuple[ProjectionTable, ...]
    artifact_count: int
    total_rows: int
    artifact_ids: tuple[str, ...] = field(default=())
    fingerprint: str = ""


class ProjectionBuilder(Protocol):
    """Builds, finds and disposes projections. Nothing in a projection is truth."""

    def build(self, request: ProjectionRequest) -> ProjectionResult:
        """Build (or replace) the projection and record the request, so that `rebuild` works from the id alone."""
        ...

    def refresh(self, projection_id: str) -> ProjectionResult:
        """Bring a projection up to the current heads of the keys that it was built from."""
        ...

    def rebuild(self, projection_id: str) -> ProjectionResult:
        """Discard the file and build it again from the recorded request. Raises ProjectionNotFoundError."""
        ...

    def dispose(self, projection_id: str) -> None:
        """Delete the file; the request stays recorded. Disposing what is not there is no error."""
        ...

    def exists(self, projection_id: str) -> bool:
        """Whether the projection's file is there."""
        ...

    def get(self, projection_id: str) -> ProjectionResult:
        """The projection as it was last built. Raises ProjectionNotFoundError."""
        ...

    def list(self) -> list[ProjectionResult]:
        """Every projection that was built here and whose request is recorded, by id."""
        ...
