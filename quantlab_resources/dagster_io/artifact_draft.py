"""What an asset hands to the IO manager: tables that want to become artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """All groups of one step, shared by the outputs of a multi-asset.

    Groups are drawn one at a time, so that a run over many partitions holds one partition in memory and each finished
    partition is safe. Whichever output comes first publishes; the others find the results here. ``resources`` is what
    the step holds until its drafts are published.
    """

    def __init__(self, groups: Iterable[DraftGroup], resources: ExitStack) -> None:
        self._groups: Iterator[DraftGroup] | None = iter(groups)
        self._resources = resources
        self._published: dict[str, list[PublishedPartition]] = {}

    def pending(self) -> Iterator[DraftGroup]:
        """The groups that nobody has published yet; can be drawn once."""
        groups, self._groups = self._groups, None
        yield from groups or ()

    def release_after(self, error: BaseException) -> None:
        """Let go of the step's resources because publishing failed, and tell them why.

        Dagster keeps a failed step's generator alive as long as its error: a lock would be held, and an experiment be
        called running, until somebody lets go of the error.
        """
        self._resources.__exit__(type(error), error, error.__traceback__)

    def record(self, asset: str, published: PublishedPartition) -> None:
        """Remember what was published for ``asset``."""
        self._published.setdefault(asset, []).append(published)

    def published(self, asset: str) -> list[PublishedPartition]:
        """What was published for ``asset``, one entry per partition in the order of the run."""
        return self._published.get(asset, [])


@dataclass(frozen=True, slots=True)
class AssetDrafts:
    """The value of one Dagster output: this asset's share of the step's drafts."""

    asset: str
    step: StepDrafts
