"""Which data versions Dagster has on record: the newest of every partition of an asset, in one query.

This module is the only one that touches Dagster's event storage; a canary test holds it to the installed release.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.events import DagsterEventType

from quantlab_resources.dagster_io.event_tags import DATA_VERSION_TAG


def recorded_versions(instance: dg.DagsterInstance, asset: str, *, is_partitioned: bool) -> dict[str | None, str]:
    """Data version of the newest materialization by partition; under None for an asset without partitions."""
    key = dg.AssetKey(asset)
    if not is_partitioned:
        for record in instance.fetch_materializations(key, limit=1).records:
            materialization = record.asset_materialization
            if materialization is not None:
                return {None: (materialization.tags or {}).get(DATA_VERSION_TAG, "")}
        return {}
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        key, DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: found[DATA_VERSION_TAG] for partition, found in tags.items()}


def newest_event_of(instance: dg.DagsterInstance, asset: str, partition: str) -> int | None:
    """Number of the partition's newest materialization event; None when there is none."""
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[partition])
    return next((record.storage_id for record in instance.fetch_materializations(wanted, limit=1).records), None)
