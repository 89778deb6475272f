"""The current artifacts of an asset, by the partitions that a run is about."""

from __future__ import annotations

from collections.abc import Collection

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.registry import ARTIFACT_TYPES, find_artifact_type, owning_asset
from quantlab_core.errors import LogicalKeyError
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
from quantlab_resources.dagster_io.artifact_partition import partition_of


def asset_artifacts(
    catalogue: ArtifactCatalogue, asset: str, partitions: Collection[str] | None = None
) -> list[Artifact]:
    """The heads that ``asset`` owns, in whatever version, by type and key; with ``partitions`` those of them alone.

    An artifact whose key does not follow the grammar of its type belongs to no partition.
    """
    found: list[Artifact] = []
    for name in sorted(type_names(asset)):
        prefix = _common_prefix(name, partitions)
        for head in catalogue.heads(name, prefix):
            spec = find_artifact_type(head.artifact_type, head.schema_version)
            if spec is None:
                continue
            try:
                is_wanted = owning_asset(spec, head.logical_key) == asset
                if is_wanted and partitions is not None:
                    is_wanted = partition_of(spec, head.logical_key) in partitions
            except LogicalKeyError:
                is_wanted = partitions is None
            if is_wanted:
                found.append(head)
    return found


def type_names(asset: str) -> set[str]:
    """Names of the artifact types that ``asset`` owns artifacts of."""
    return {spec.name for spec in ARTIFACT_TYPES if asset in spec.assets}


def _common_prefix(name: str, partitions: Collection[str] | None) -> str:
    """What the keys of a single partition begin with, where they begin with it as it is; else all keys are read."""
    kinds = {(spec.key_parts[0], spec.partition) for spec in ARTIFACT_TYPES if spec.name == name}
    if partitions is None or len(partitions) != 1 or len(kinds) != 1:
        return ""
    ((first_part, partition),) = kinds
    (value,) = partitions
    return f"{first_part}={value}" if first_part == partition and partition != "token" else ""
