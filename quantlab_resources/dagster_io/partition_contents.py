"""What each partition of an asset holds, read off the manifest: the version and the counts that Dagster should show.

A partition holds what its last run published, and what became current since without a run: by hand, or by adoption.
So the version is the one that the run itself reported, whatever else carries the partition's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.registry import find_artifact_type, owning_asset
from quantlab_core.errors import LogicalKeyError
from quantlab_resources.artifacts.manifest.head_origins import HeadOrigin
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.dagster_io.materialization_metadata import MAX_TABLE_ROWS, SetHash


@dataclass(slots=True)
class PartitionContent:
    """One partition of one asset: its data version, how much it holds, and the ids of the first of its artifacts."""

    run_sequence: int = 0
    """The change of its last run; 0 where none published what is current."""
    head_sequence: int = 0
    """The latest change that made one of its artifacts a head."""
    artifact_count: int = 0
    row_count: int = 0
    byte_size: int = 0
    sample: list[str] = field(default_factory=list)
    _hash: SetHash = field(default_factory=SetHash)

    @property
    def data_version(self) -> str:
        """The content hash of its only artifact, or the hash of the set."""
        return self._hash.value()

    def add(self, artifact: Artifact, byte_size: int) -> None:
        """Take in the next artifact, in the order of keys."""
        self.artifact_count += 1
        self.byte_size += byte_size
        self.row_count += artifact.row_count
        self._hash.add((artifact.artifact_type, artifact.logical_key, artifact.content_hash))
        if len(self.sample) < MAX_TABLE_ROWS:
            self.sample.append(artifact.artifact_id)


@dataclass(frozen=True, slots=True)
class AssetContents:
    """All partitions of one asset (None: an asset without partitions), and the keys of heads that are in none."""

    partitions: dict[str | None, PartitionContent]
    outside: tuple[str, ...]


def asset_contents(spec: ArtifactType, asset: str, heads: Callable[[], Iterable[HeadOrigin]]) -> AssetContents:
    """The contents of ``asset``, which owns artifacts of the type of ``spec``; ``heads`` gives its heads by key, twice.

    Memory grows with the partitions, not with the artifacts.
    """
    partitions: dict[str | None, PartitionContent] = {}
    outside: list[str] = []
    for origin in heads():
        try:
            place = _place(spec, asset, origin.artifact)
        except LogicalKeyError:
            outside.append(origin.artifact.logical_key)
            continue
        if place is not None:
            content = partitions.setdefault(place.partition, PartitionContent())
            content.run_sequence = max(content.run_sequence, origin.run_sequence)
            content.head_sequence = max(content.head_sequence, origin.head_sequence)
    for origin in heads():
        try:
            place = _place(spec, asset, origin.artifact)
        except LogicalKeyError:
            continue
        found = None if place is None else partitions.get(place.partition)
        if found is not None and _belongs(origin, found):
            found.add(origin.artifact, origin.byte_size)
    return AssetContents(partitions, tuple(outside))


@dataclass(frozen=True, slots=True)
class _Place:
    partition: str | None


def _place(spec: ArtifactType, asset: str, artifact: Artifact) -> _Place | None:
    """The partition of ``asset`` that holds the artifact; None when it belongs to another asset or to no partition.

    Raises LogicalKeyError for a key that says neither.
    """
    own = find_artifact_type(artifact.artifact_type, artifact.schema_version)
    if own is None:
        raise LogicalKeyError(f"{artifact.artifact_type}/v{artifact.schema_version} is not registered")
    partition = partition_of(own, artifact.logical_key)
    if owning_asset(own, artifact.logical_key) != asset:
        return None
    if own.name == ARTIFACT_SET.name and not artifact.logical_key.endswith(f"selection={CURRENT}"):
        return None  # frozen for one experiment, by no run of the asset
    if spec.partition is not None and partition is None:
        return None  # a slice of no day
    return _Place(partition)


def _belongs(origin: HeadOrigin, content: PartitionContent) -> bool:
    if content.run_sequence == 0 or origin.run_sequence == content.run_sequence:
        return True
    return origin.run_sequence == 0 and origin.head_sequence > content.run_sequence
