"""What an asset hands to the IO manager: tables that want to become artifacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact import PublishResult
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import format_key
from quantlab_core.artifacts.registry import owning_asset
from quantlab_core.experiments.experiment import ExperimentTransition


@dataclass(frozen=True, slots=True)
class ArtifactDraft:
    """One table under the logical key made of ``key`` (part name → value).

    ``inputs`` are the ids of the artifacts that this table was made from; None means: all that the step has read.
    """

    spec: ArtifactType
    key: Mapping[str, str]
    table: pa.Table
    inputs: Sequence[str] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    preview: Mapping[str, Any] = field(default_factory=dict)
    """What Dagster's UI shows beside the artifact: metadata values, recorded nowhere else."""

    @property
    def logical_key(self) -> str:
        """The logical key as text. Raises LogicalKeyError."""
        return format_key(self.spec, self.key)

    @property
    def asset(self) -> str:
        """The asset that will own the artifact."""
        return owning_asset(self.spec, self.logical_key)


@dataclass(frozen=True, slots=True)
class DraftGroup:
    """The drafts of one partition (None: of an unpartitioned asset), published together or not at all.

    A ``transition`` of an experiment is journaled in the same transaction.
    """

    partition: str | None
    drafts: tuple[ArtifactDraft, ...]
    transition: ExperimentTransition | None = None


@dataclass(frozen=True, slots=True)
class PublishedPartition:
    """What became of the drafts of one asset in one partition."""

    partition: str | None
    results: tuple[PublishResult, ...]
    preview: Mapping[str, Any] = field(default_factory=dict)
    byte_size: int = 0
    """Of the Parquet files."""


class StepDrafts:
    """The drafts of a step over one partition, or over none, shared by the outputs of a multi-asset.

    Whichever output comes first publishes; the others find the results here. ``resources`` is what the step holds until
    its drafts are published.
    """

    def __init__(self, group: DraftGroup, resources: ExitStack) -> None:
        self._group: DraftGroup | None = group
        self._resources = resources
        self._published: dict[str, PublishedPartition] = {}

    def pending(self) -> DraftGroup | None:
        """The group, to whoever asks first."""
        group, self._group = self._group, None
        return group

    def release_after(self, error: BaseException) -> None:
        """Let go of the step's resources because publishing failed, and tell them why.

        Dagster keeps a failed step's generator alive as long as its error: a lock would be held, and an experiment be
        called running, until somebody lets go of the error.
        """
        self._resources.__exit__(type(error), error, error.__traceback__)

    def record(self, published: Mapping[str, PublishedPartition]) -> None:
        """Remember what was published, by asset."""
        self._published.update(published)

    def published(self, asset: str) -> list[PublishedPartition]:
        """What was published for ``asset``."""
        return [self._published[asset]] if asset in self._published else []


class RangeDrafts:
    """The partitions of a step over many of them: their drafts are made one partition at a time, each published before
    the next is begun.

    ``group_of`` makes the drafts of a partition, and pushes on the stack what is to be held until they are published.
    ``tags`` are those of all materialization events. ``after_failures`` is called at the end when partitions failed.
    ``totals`` is filled for each asset.
    """

    def __init__(
        self,
        keys: Sequence[str],
        group_of: Callable[[str, ExitStack], DraftGroup],
        *,
        specs: Sequence[ArtifactType],
        code_version: str,
        tags: Mapping[str, str],
        after_failures: Callable[[], None],
    ) -> None:
        self.keys = keys
        self.group_of = group_of
        self.specs = specs
        self.code_version = code_version
        self.tags = tags
        self.after_failures = after_failures
        self.totals: dict[str, RangeTotal] = {}
        self._is_pending = True

    def pending(self) -> bool:
        """Whether nobody has begun yet; the first who asks begins."""
        is_pending, self._is_pending = self._is_pending, False
        return is_pending


@dataclass(slots=True)
class RangeTotal:
    """What a range came to for one asset."""

    partitions: int = 0
    artifacts: int = 0
    new: int = 0
    rows: int = 0

    def add(self, published: PublishedPartition) -> None:
        """Count a partition in."""
        self.partitions += 1
        self.artifacts += len(published.results)
        self.new += sum(not result.deduped for result in published.results)
        self.rows += sum(result.artifact.row_count for result in published.results)


@dataclass(frozen=True, slots=True)
class AssetDrafts:
    """The value of one Dagster output: this asset's share of the step's drafts."""

    asset: str
    step: StepDrafts | RangeDrafts
