"""The values that go in and out of the artifact store.

Field names are the requirements' ``Artifact``, ``ArtifactFilter``, ``PublishArtifactRequest``,
``PublishArtifactResult`` and ``ArtifactLineage`` in snake_case. All times are UTC text as `timestamp_text` writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

PublishMode = Literal["content_hash", "file_hash"]


class ArtifactStatus(StrEnum):
    """Where an artifact stands. Only ``active`` artifacts answer as duplicates."""

    ACTIVE = "active"
    SUPERSEDED = "superseded"
    TOMBSTONED = "tombstoned"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One row of the manifest: an immutable Parquet file and its identity."""

    artifact_id: str
    artifact_type: str
    schema_version: int
    logical_key: str
    status: ArtifactStatus
    path_parquet: str
    path_sidecar: str
    file_hash: str
    content_hash: str
    row_count: int
    created_at: str
    min_ts: str | None = None
    max_ts: str | None = None


@dataclass(frozen=True, slots=True)
class ArtifactFilter:
    """Which artifacts to list; every given condition must hold. ``limit=None`` lists all."""

    artifact_type: str | None = None
    status: ArtifactStatus | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    min_created_at: str | None = None
    max_created_at: str | None = None
    limit: int | None = 100


@dataclass(frozen=True, slots=True)
class ArtifactList:
    """The newest artifacts that match, and whether the limit cut the list."""

    artifacts: tuple[Artifact, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote an artifact, for provenance; never part of its content."""

    name: str
    version: str
    git_commit: str
    git_dirty: bool


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """One table to publish under one logical key.

    ``data`` is a table, or the path of a Parquet or CSV file. ``input_artifact_ids`` are the exact artifacts that were
    read to make it. ``params`` and ``tags`` are provenance: they do not enter the content hash. ``as_of_sequence`` is
    the state of the lake that ``data`` was computed from: a head that another run has changed since is not replaced.
    ``revive`` allows content that was withdrawn to be published again.
    """

    artifact_type: str
    schema_version: int
    logical_key: str
    data: pa.Table | Path
    writer: Writer
    tags: Mapping[str, str] = field(default_factory=dict)
    input_artifact_ids: Sequence[str] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    filename_hint: str | None = None
    run_id: str | None = None
    as_of_sequence: int | None = None
    supersede_reason: str = "new content under the same key"
    revive: bool = False


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What a publish did. ``artifact_id`` is always there, also when the content was known (``deduped``)."""

    artifact: Artifact
    deduped: bool
    mode: PublishMode | None = None
    superseded_artifact_id: str | None = None

    @property
    def artifact_id(self) -> str:
        """Id of the artifact that now holds the content."""
        return self.artifact.artifact_id


@dataclass(frozen=True, slots=True)
class LineageEdge:
    """``artifact_id`` was made from ``input_artifact_id``; ``depth`` counts edges from where the question started."""

    artifact_id: str
    input_artifact_id: str
    depth: int


@dataclass(frozen=True, slots=True)
class ArtifactLineage:
    """The artifacts that one artifact was made from, nearest first, with the edges between them."""

    artifact_id: str
    inputs: tuple[Artifact, ...]
    depth: int
    edges: tuple[LineageEdge, ...] = ()
