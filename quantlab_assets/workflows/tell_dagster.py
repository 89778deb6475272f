"""Dagster is told of artifacts that people hand in: no run publishes them."""

from __future__ import annotations

import dagster as dg

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_resources.dagster_io.event_tags import DATA_VERSION_TAG
from quantlab_resources.dagster_io.materialization_metadata import described, set_hash


def tell_dagster(runs: LakeRuns, spec: ArtifactType) -> None:
    """Report what is current of an asset without partitions by an event of its own, each time, as of archived files."""
    heads = runs.lab.artifacts.heads(spec.name)
    version = set_hash((head.artifact_type, head.logical_key, head.content_hash) for head in heads)
    runs.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=str(spec.asset),
            metadata=described(
                heads,
                artifact_count=len(heads),
                row_count=sum(head.row_count for head in heads),
                version=version,
                byte_size=runs.lab.artifacts.stored_bytes([head.artifact_id for head in heads]),
            ),
            tags={DATA_VERSION_TAG: version},
        )
    )
