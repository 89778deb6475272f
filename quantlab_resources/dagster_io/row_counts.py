"""The row counts of an asset's last materialization beside those of earlier ones, by partition."""

from __future__ import annotations

from collections.abc import Iterable

from quantlab_core.artifacts.registry import ARTIFACT_TYPES, find_artifact_type, owning_asset
from quantlab_core.artifacts.row_count_drift import RowCounts
from quantlab_core.errors import LogicalKeyError
from quantlab_resources.artifacts.artifact_catalogue import ArtifactCatalogue
from quantlab_resources.artifacts.manifest.row_count_history import PublishedRows, last_run, published_rows
from quantlab_resources.dagster_io.artifact_partition import partition_of
from quantlab_resources.dagster_io.asset_artifacts import type_names


def row_counts(catalogue: ArtifactCatalogue, asset: str, run_id: str | None = None) -> list[RowCounts]:
    """For each partition that the run published of ``asset``: its rows now and in earlier runs, sorted by partition.

    Without ``run_id``, or where that run published nothing of it, the run that published last counts. An asset without
    partitions has one entry for each key. A publication that no run made counts by itself.
    """
    types, prefix = type_names(asset), _owner_prefix(asset)
    with catalogue.manifest.reading() as connection:
        found = published_rows(connection, types, prefix, run_id) if run_id is not None else []
        latest = run_id
        if not found:
            latest = last_run(connection, types, prefix)
            found = [] if latest is None else published_rows(connection, types, prefix, latest)
    return _by_partition(found, asset, latest)


def _by_partition(found: Iterable[PublishedRows], asset: str, latest: str | None) -> list[RowCounts]:
    by_run: dict[str, dict[str, dict[tuple[str, str], int]]] = {}
    for published in found:
        name = _series(published, asset)
        if name is not None:
            run = published.run_id or f"change {published.sequence}"
            # Of a key that a run published twice, going on from where it stopped, the later counts.
            of_run = by_run.setdefault(name, {}).setdefault(run, {})
            of_run[published.artifact_type, published.logical_key] = published.row_count
    counts = []
    for name, runs in sorted(by_run.items()):
        totals = {run: sum(rows.values()) for run, rows in runs.items()}
        if latest in totals:
            order = list(totals)
            counts.append(RowCounts(name, totals[latest], [totals[run] for run in order[: order.index(latest)]]))
    return counts


def _series(published: PublishedRows, asset: str) -> str | None:
    spec = find_artifact_type(published.artifact_type, published.schema_version)
    try:
        if spec is None or owning_asset(spec, published.logical_key) != asset:
            return None
        return published.logical_key if spec.partition is None else partition_of(spec, published.logical_key)
    except LogicalKeyError:
        return None


def _owner_prefix(asset: str) -> str:
    """What all keys of the asset begin with, where it shares its artifact type with another asset."""
    for spec in ARTIFACT_TYPES:
        if not isinstance(spec.asset, str) and asset in spec.assets:
            return next(f"{spec.key_parts[0]}={value}/" for value, owner in spec.asset.items() if owner == asset)
    return ""
