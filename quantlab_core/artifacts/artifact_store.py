"""Port of the artifact store: the only way in which the rest of quantlab reads and writes tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from quantlab_core.artifacts.artifact import (
    Artifact,
    ArtifactFilter,
    ArtifactLineage,
    ArtifactList,
    PublishRequest,
    PublishResult,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from quantlab_core.experiments.experiment import ExperimentTransition


class ArtifactStore(Protocol):
    """Immutable Parquet artifacts with identity, heads, supersession and lineage."""

    def get_artifact(self, artifact_id: str) -> Artifact:
        """The artifact with this id. Raises ArtifactNotFoundError."""
        ...

    def get_artifacts(self, artifact_ids: Sequence[str]) -> list[Artifact | None]:
        """The artifacts with these ids in the same order; None where an id is unknown."""
        ...

    def list_artifacts(self, filter: ArtifactFilter) -> ArtifactList:
        """Matching artifacts, newest first, and whether ``filter.limit`` cut the list."""
        ...

    def find_by_logical_key(self, artifact_type: str, logical_key: str) -> list[Artifact]:
        """Every artifact ever published under this key, newest first."""
        ...

    def heads(self, artifact_type: str, key_prefix: str = "") -> list[Artifact]:
        """The active head of every key of this type that starts with ``key_prefix``, sorted by key."""
        ...

    def publish(self, request: PublishRequest) -> PublishResult:
        """Store one table durably, or find that its content is already there.

        New content under a used key supersedes the old head. Raises SchemaError, LogicalKeyError, ArtifactNotFoundError
        (unknown input), ConflictError (tombstoned content), HeadChangedError (a head that changed since
        ``as_of_sequence``), StorageError. When it raises, nothing became visible.
        """
        ...

    def publish_many(
        self, requests: Sequence[PublishRequest], *, transition: ExperimentTransition | None = None
    ) -> list[PublishResult]:
        """Publish all of them in one transaction, or none; a ``transition`` is journaled in the same transaction."""
        ...

    def get_lineage(self, artifact_id: str, depth: int | None = 1) -> ArtifactLineage:
        """What the artifact was made from, up to ``depth`` edges away (None: to the raw files)."""
        ...

    def get_downstream(self, artifact_id: str, depth: int | None = 1) -> list[Artifact]:
        """What was made from the artifact, nearest first, up to ``depth`` edges away (None: all)."""
        ...

    def supersede(self, new_artifact_id: str, old_artifact_id: str, *, reason: str) -> None:
        """Make ``new`` the head in place of ``old``. Raises SupersedeError, ArtifactNotFoundError."""
        ...

    def tombstone(self, artifact_id: str, *, reason: str) -> None:
        """Withdraw an artifact: it stays readable and traceable but is no head and answers no publish."""
        ...

    def read(self, artifact_id: str) -> pa.Table:
        """The artifact's table after checking the stored bytes. Raises ArtifactDamagedError, ArtifactMissingError."""
        ...

    def read_in_parts(self, artifact_id: str) -> Iterator[pa.Table]:
        """The same rows some ten thousand at a time, for tables that need not be in memory as a whole; all stored bytes
        are checked before the first part. Raises as `read`, when the first part is taken."""
        ...

    def is_available(self) -> bool:
        """Whether the manifest can be opened and answers."""
        ...
