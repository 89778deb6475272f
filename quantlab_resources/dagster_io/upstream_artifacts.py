"""What an asset gets for one upstream asset: finds artifacts in the manifest, reads them verified, keeps the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol, TypeVar, cast

import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest, read_newest_in_parts
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.artifacts.timestamp_text import find_timestamp

CACHE_BYTES = 256 * 1024 * 1024
"""What was read stays in memory up to this size, the latest asked for: neighbouring partitions share it."""


class HeldInMemory(Protocol):
    """A table, or what was made of one."""

    @property
    def nbytes(self) -> int:
        """Bytes that it takes."""
        ...


Made = TypeVar("Made", bound=HeldInMemory)


class UpstreamArtifacts:
    """Current artifacts of one upstream asset, as of the start of the run plus what the run itself published.

    Nothing is read until it is asked for. Every read checks the stored bytes and is recorded as an input of the step.
    """

    def __init__(
        self,
        spec: ArtifactType,
        store: ArtifactStore,
        heads: Callable[[str], list[Artifact]],
        record: Callable[[str], None],
        key_prefix: str = "",
    ) -> None:
        self.spec = spec
        self._store = store
        self._heads = heads
        self._record = record
        self._key_prefix = key_prefix
        self._kept: dict[object, HeldInMemory] = {}

    def with_key(self, **parts: str) -> list[Artifact]:
        """Heads whose logical key begins with these parts, e.g. ``with_key(day="2025-05-01")``, sorted by key."""
        prefix = "/".join(f"{name}={value}" for name, value in parts.items())
        return [head for head in self._heads(prefix) if f"{head.logical_key}/".startswith(f"{prefix}/")]

    def beginning_with(self, prefix: str) -> list[Artifact]:
        """Heads whose logical key begins with this text, sorted by key."""
        return self._heads(prefix)

    def overlapping(self, start: datetime, end: datetime) -> list[Artifact]:
        """Heads whose rows may lie in [start, end), by the time range that the manifest records."""
        return [
            artifact
            for artifact in self._heads(self._key_prefix)
            if artifact.row_count and _may_hold(artifact, start, end)
        ]

    def all(self) -> list[Artifact]:
        """Every head of the upstream asset, sorted by key."""
        return self._heads(self._key_prefix)

    def read(self, artifact: Artifact) -> pa.Table:
        """The artifact's table, verified, in the newest version of its type; recorded as an input."""
        self._record(artifact.artifact_id)
        return self._keep(artifact.artifact_id, lambda: read_newest(self._store, artifact))

    def made_of_parts(self, artifact: Artifact, make: Callable[[Iterator[pa.Table]], Made]) -> Made:
        """What ``make`` makes of the artifact's rows, which come to it in parts: for large tables of which little is
        wanted. Verified, recorded and kept in memory as by `read`."""
        self._record(artifact.artifact_id)
        return self._keep((artifact.artifact_id, make), lambda: make(read_newest_in_parts(self._store, artifact)))

    def drop_cache(self) -> None:
        """Forget what was read, to bound memory over many partitions."""
        self._kept.clear()

    def reference(self, artifact: Artifact) -> str:
        """The artifact's id, recorded as an input although only its manifest entry is used (frozen sets)."""
        self._record(artifact.artifact_id)
        return artifact.artifact_id

    def read_all(self, artifacts: Sequence[Artifact]) -> pa.Table:
        """The rows of several artifacts in the given order, in the schema of the type; empty without artifacts."""
        schema = self.spec.schema.remove_metadata()
        tables = [self.read(artifact).select(schema.names).cast(schema) for artifact in artifacts]
        return pa.concat_tables([schema.empty_table(), *tables])

    def members(self, artifact_set: Artifact) -> list[Artifact]:
        """The members of a frozen set. The set itself is the input: outputs point at the set, not at its members."""
        self.reference(artifact_set)
        return set_members(self._store, artifact_set)

    def read_member(self, member: Artifact) -> pa.Table:
        """A member's table as `read` gives it. Not recorded: the set that was read stands for it."""
        return read_newest(self._store, member)

    def _keep(self, key: object, made: Callable[[], Made]) -> Made:
        """What was kept under ``key``, else what is made now; what was asked for longest ago makes room."""
        known = self._kept.pop(key, None)
        asked = made() if known is None else cast("Made", known)
        self._kept[key] = asked
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > CACHE_BYTES:
            del self._kept[next(iter(self._kept))]
        return asked


def _may_hold(artifact: Artifact, start: datetime, end: datetime) -> bool:
    """Whether rows may lie in [start, end); where the manifest records no readable range, they may."""
    first, last = find_timestamp(artifact.min_ts), find_timestamp(artifact.max_ts)
    return first is None or last is None or (first < end and last >= start)
