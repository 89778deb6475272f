"""What Dagster's UI shows of a lake: newest data versions, and whether it calls a partition fresh, stale or missing."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from quantlab_assets.definitions import build_defs

Shown = dict[tuple[str, str | None], str]


def versions(instance: dg.DagsterInstance) -> Shown:
    """(asset, partition) → data version of the newest materialization."""
    shown: Shown = {}
    for asset in _assets():
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=10_000, ascending=True).records
        for record in records:
            materialization = record.asset_materialization
            assert materialization is not None
            shown[asset, materialization.partition] = (materialization.tags or {})["dagster/data_version"]
    return shown


def badges(instance: dg.DagsterInstance) -> dict[tuple[str, str | None], StaleStatus]:
    """(asset, partition) → Dagster's own judgement, for everything that was ever materialized."""
    resolver = CachingStaleStatusResolver(instance, build_defs().resolve_asset_graph(), LoadingContextForTest(instance))
    return {(asset, key): resolver.get_status(dg.AssetKey(asset), key) for asset, key in versions(instance)}


def out_of_sync(instance: dg.DagsterInstance) -> set[tuple[str, str | None]]:
    """What Dagster does not call fresh."""
    return {place for place, status in badges(instance).items() if status is not StaleStatus.FRESH}


def _assets() -> Iterator[str]:
    return (key.to_user_string() for key in build_defs().resolve_asset_graph().get_all_asset_keys())
