"""Tags of materialization events: Dagster's names for versions, and what it notes of inputs.

Dagster's badge compares what an event says of its inputs with the inputs as they are. Events that we log ourselves, in
ranged runs and for what no run reported, must say it too, or everything would be called out of sync.
"""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

DATA_VERSION_TAG = "dagster/data_version"
CODE_VERSION_TAG = "dagster/code_version"
INPUT_DATA_VERSION_TAG = "dagster/input_data_version"
INPUT_EVENT_POINTER_TAG = "dagster/input_event_pointer"
_NO_VERSION, _NO_EVENT = "INITIAL", "NULL"
"""What Dagster itself writes of an input that was never materialized."""


def input_tags(instance: dg.DagsterInstance, upstream_keys: Iterable[dg.AssetKey]) -> dict[str, str]:
    """The tags that say: made from the upstream assets as they are now.

    Of each upstream asset its last event is named. For a partitioned upstream Dagster looks for changed versions after
    that event, so the pointer is exact for every partition.
    """
    tags: dict[str, str] = {}
    for key in sorted(upstream_keys):
        version, pointer = _NO_VERSION, _NO_EVENT
        for record in instance.fetch_materializations(key, limit=1).records:
            materialization = record.asset_materialization
            recorded = (materialization.tags or {}).get(DATA_VERSION_TAG) if materialization else None
            if recorded is not None:
                version, pointer = recorded, str(record.storage_id)
        tags |= input_tag(key, version, pointer)
    return tags


def input_tag(key: dg.AssetKey, version: str, pointer: str) -> dict[str, str]:
    """The two tags that say which version of one upstream asset was used, and up to which event."""
    name = key.to_user_string()
    return {f"{INPUT_DATA_VERSION_TAG}/{name}": version, f"{INPUT_EVENT_POINTER_TAG}/{name}": pointer}
