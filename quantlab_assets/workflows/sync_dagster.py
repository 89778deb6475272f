"""Dagster's storage is made to agree with the manifest: what is current in the lake shows in the UI.

The storage is a claim about the lake and may be lost, and what no run published is not in it: adopted artifacts, and
what a crash left between manifest and event. Every partition whose newest event does not carry the version that the
manifest has gets an event of its own, with the metadata and tags that a run would have written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial

import dagster as dg

from quantlab_assets.definitions import build_defs
from quantlab_assets.partitions import TOKENS, add_partitions
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import is_key_value
from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_core.candles.artifact_types import OHLCV_SLICE
from quantlab_core.token import Token
from quantlab_resources.artifacts.manifest.head_origins import HeadOrigin, head_origins
from quantlab_resources.dagster_io.event_tags import CODE_VERSION_TAG, DATA_VERSION_TAG, input_tag, input_tags
from quantlab_resources.dagster_io.materialization_metadata import described
from quantlab_resources.dagster_io.partition_contents import AssetContents, PartitionContent, asset_contents
from quantlab_resources.dagster_io.recorded_versions import newest_event_of, recorded_versions
from quantlab_resources.lab import Lab

Progress = Callable[[int, int], None]
_CHANGED_SINCE = "an earlier version"
"""Stands for the version of an input that is no longer current: which one it was does not matter to Dagster."""


@dataclass(slots=True)
class AssetSync:
    """One asset: partitions that Dagster showed rightly before, those reported now, and those that it cannot show."""

    asset: str
    shown_before: int = 0
    reported: int = 0
    unknown_partitions: list[str] = field(default_factory=list)
    """Partitions that the graph does not have: days before the first day, above all."""
    outside: tuple[str, ...] = ()
    """Keys of heads that belong to no partition because they do not follow the grammar of their type."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What was done: per asset in the order of the graph, and how many keys each dynamic partitioning gained."""

    assets: tuple[AssetSync, ...]
    new_partitions: dict[str, int]

    @property
    def reported(self) -> int:
        """Materialization events that were written."""
        return sum(asset.reported for asset in self.assets)


def sync_dagster(
    lab: Lab,
    instance: dg.DagsterInstance,
    *,
    progress: Progress | None = None,
    only: Collection[str] | None = None,
    at_most: float = math.inf,
) -> SyncReport:
    """Register partitions and report materializations until Dagster shows what the manifest holds.

    With ``only``, of these assets alone; with ``at_most``, no more events than that. A second call finds nothing to do.
    Memory grows with the partitions of the lake, not with its artifacts. An event says that its partition is made from
    the upstream partitions as they are, unless one of the same key changed later: then Dagster shows it as out of sync,
    which it is.
    """
    return _Sync(lab, instance, progress or (lambda _done, _total: None), at_most).run(only)


class _Sync:
    def __init__(self, lab: Lab, instance: dg.DagsterInstance, progress: Progress, at_most: float) -> None:
        self._lab = lab
        self._left = at_most
        self._instance = instance
        self._graph = build_defs(home=str(lab.paths.home)).resolve_asset_graph()
        self._sequences: dict[str, dict[str | None, int]] = {}
        self._new_partitions: dict[str, int] = {}
        self._progress = progress
        self._done = self._total = 0

    def run(self, only: Collection[str] | None) -> SyncReport:
        """Bring the assets up to date, upstream ones first, since an event names the events before it."""
        specs = {asset: spec for spec in ARTIFACT_TYPES for asset in spec.assets if only is None or asset in only}
        ordered = [key.to_user_string() for key in self._graph.toposorted_asset_keys if key.to_user_string() in specs]
        self._register_tokens()
        reports = [self._sync_asset(asset, specs[asset]) for asset in ordered]
        return SyncReport(tuple(reports), self._new_partitions)

    def _heads(self, artifact_type: str) -> Iterable[HeadOrigin]:
        return head_origins(self._lab.artifacts.manifest, artifact_type)

    def _register_tokens(self) -> None:
        """Tokens with slices can be merged into a series, so they are partitions before that was done."""
        tokens = set()
        for origin in self._heads(OHLCV_SLICE.name):
            parts = key_parts_of(origin.artifact)
            if parts is not None:
                tokens.add(Token.from_key_parts(parts).partition_key)
        self._register(TOKENS, tokens)

    def _register(self, partitions: dg.DynamicPartitionsDefinition, keys: Iterable[str]) -> None:
        name = str(partitions.name)
        before = len(self._instance.get_dynamic_partitions(name))
        add_partitions(self._instance, partitions, [key for key in keys if is_key_value(key)])
        added = len(self._instance.get_dynamic_partitions(name)) - before
        self._new_partitions[name] = self._new_partitions.get(name, 0) + added

    def _sync_asset(self, asset: str, spec: ArtifactType) -> AssetSync:
        contents = asset_contents(spec, asset, partial(self._heads, spec.name))
        self._sequences[asset] = {key: content.head_sequence for key, content in contents.partitions.items()}
        node = self._graph.get(dg.AssetKey(asset))
        report = AssetSync(asset, outside=contents.outside)
        known = self._known_partitions(node.partitions_def, contents)
        recorded = recorded_versions(self._instance, asset, is_partitioned=node.is_partitioned)
        tags = None
        # How many partitions there are is known asset by asset: the total grows on the way.
        self._total += len(contents.partitions)
        for partition, content in contents.partitions.items():
            self._done += 1
            self._progress(self._done, self._total)
            if partition is not None and partition not in known:
                report.unknown_partitions.append(partition)
            elif recorded.get(partition) == content.data_version:
                report.shown_before += 1
            elif self._left > 0:
                self._left -= 1
                tags = input_tags(self._instance, node.parent_keys) if tags is None else tags
                self._report(asset, partition, content, tags)
                report.reported += 1
        return report

    def _known_partitions(self, partitions_def: dg.PartitionsDefinition | None, contents: AssetContents) -> set[str]:
        if isinstance(partitions_def, dg.DynamicPartitionsDefinition):
            self._register(partitions_def, [key for key in contents.partitions if key is not None])
        if partitions_def is None:
            return set()
        return set(partitions_def.get_partition_keys(dynamic_partitions_store=self._instance))

    def _report(self, asset: str, partition: str | None, content: PartitionContent, inputs: dict[str, str]) -> None:
        node = self._graph.get(dg.AssetKey(asset))
        version = content.data_version
        tags = {DATA_VERSION_TAG: version}
        if node.code_version is not None:
            tags |= {CODE_VERSION_TAG: node.code_version, **inputs, **self._outdated_inputs(asset, partition, content)}
        sample = [found for found in self._lab.artifacts.get_artifacts(content.sample) if found is not None]
        self._instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset_key=asset,
                partition=partition,
                metadata=described(
                    sample,
                    artifact_count=content.artifact_count,
                    row_count=content.row_count,
                    version=version,
                    byte_size=content.byte_size,
                ),
                tags=tags,
            )
        )

    def _outdated_inputs(self, asset: str, partition: str | None, content: PartitionContent) -> dict[str, str]:
        """Tags of upstream partitions that changed after this one's last run; fan-ins are the manifest's matter."""
        tags: dict[str, str] = {}
        if content.run_sequence == 0:
            return tags
        key = dg.AssetKey(asset)
        for upstream in sorted(self._graph.get(key).parent_keys):
            name = upstream.to_user_string()
            node = self._graph.get(upstream)
            if node.is_partitioned and not self._is_same_partition(key, upstream):
                continue
            same = partition if node.is_partitioned else None
            if self._sequences.get(name, {}).get(same, 0) > content.run_sequence:
                pointer = newest_event_of(self._instance, name, same) if same is not None else None
                tags |= input_tag(upstream, _CHANGED_SINCE, str(max(1, (pointer or 1) - 1)))
        return tags

    def _is_same_partition(self, asset: dg.AssetKey, upstream: dg.AssetKey) -> bool:
        mapping = self._graph.get_partition_mapping(asset, upstream)
        return not isinstance(mapping, dg.AllPartitionMapping)
