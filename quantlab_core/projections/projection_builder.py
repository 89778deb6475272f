"""Port of the projection builder: disposable, rebuildable DuckDB files and datasets made from artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

ProjectionForm = Literal["duckdb", "dataset", "pack"]
"""``duckdb``: one DuckDB file. ``dataset``: a folder of Parquet files, ``bucket=<n>/month=<YYYY-MM>/``, one table.
``pack``: the candles of a frozen set as one mapped file, which experiments build for themselves (`CandlePacks`)."""


@dataclass(frozen=True, slots=True)
class ProjectionIndex:
    """A wish for fast access to ``table`` by ``columns``; served by the table's sort order where that can."""

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectionRequest:
    """What to build: for each table, the artifact ids whose rows it holds. Artifact sets stand for their members.

    ``tables`` maps a table name to artifact ids, e.g. ``{"alerts": [...], "ohlcv": [...]}``. ``cache_dir`` is the
    folder for the file or dataset (None: the lake's own cache folder).
    """

    projection_id: str
    tables: Mapping[str, Sequence[str]]
    indexes: tuple[ProjectionIndex, ...] = ()
    cache_dir: str | None = None
    form: ProjectionForm = "duckdb"


@dataclass(frozen=True, slots=True)
class ProjectionTable:
    """One table of a built projection. ``indexes`` says how each index request was served."""

    name: str
    row_count: int
    columns: tuple[str, ...]
    indexes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectionResult:
    """A built projection. ``duckdb_path`` is the DuckDB file, the folder of a dataset, or the file of a pack.

    ``fingerprint`` is a hash of its logical content, equal for equal content.
    """

    projection_id: str
    duckdb_path: str
    tables: tuple[ProjectionTable, ...]
    artifact_count: int
    total_rows: int
    artifact_ids: tuple[str, ...] = field(default=())
    fingerprint: str = ""
    form: ProjectionForm = "duckdb"


@dataclass(frozen=True, slots=True)
class ProjectionState:
    """How a projection stands now.

    ``superseded`` and ``withdrawn`` count the artifacts in it that are no longer current, ``added`` those that a
    refresh would bring in. ``byte_size`` is 0 and ``last_used`` None (UTC otherwise) where the file is gone.
    """

    projection: ProjectionResult
    is_there: bool
    byte_size: int
    last_used: datetime | None
    superseded: int
    withdrawn: int
    added: int

    @property
    def is_fresh(self) -> bool:
        """Whether a refresh would change nothing of its content."""
        return not (self.superseded or self.withdrawn or self.added)


@dataclass(frozen=True, slots=True)
class Eviction:
    """Which projections leave the disk so that the others fit: least recently used first.

    ``kept_bytes`` is what stays. It can be over the limit: what is being built now is never evicted.
    """

    evicted: tuple[ProjectionState, ...]
    kept_bytes: int


class ProjectionBuilder(Protocol):
    """Builds, finds and disposes projections. Nothing in a projection is truth."""

    def build(self, request: ProjectionRequest, *, incremental: bool = False) -> ProjectionResult:
        """Build (or replace) the projection and record the request, so that `rebuild` works from the id alone.

        ``incremental`` changes only what differs from the projection that is there, where that is quicker.
        """
        ...

    def refresh(self, projection_id: str) -> ProjectionResult:
        """Bring a projection up to the current heads of the keys that it was built from, incrementally."""
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

    def states(self) -> tuple[ProjectionState, ...]:
        """Every recorded projection with size, last use, and what has changed since it was built, by id."""
        ...

    def evict(self, max_bytes: int, *, apply: bool, keep: Sequence[str] = ()) -> Eviction:
        """Dispose the least recently used projections until the rest takes ``max_bytes`` at most; only says which
        unless ``apply``. What is in ``keep`` or is being built stays."""
        ...
