"""Artifact type of a projection's receipt."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType, column

PROJECTION_RECEIPT = ArtifactType(
    name="projection_receipt_v1",
    version=1,
    doc="What went into a DuckDB projection: one row per table and artifact. The DuckDB file itself is disposable.",
    schema=pa.schema(
        [
            column("table_name", pa.string(), "table of the projection"),
            column("logical_key", pa.string(), "logical key of the artifact"),
            column("artifact_id", pa.string(), "artifact whose rows are in the table"),
            column("artifact_type", pa.string(), "its type"),
            column("content_hash", pa.string(), "its content hash"),
            column("row_count", pa.int64(), "its rows"),
        ]
    ),
    sort_key=("table_name", "artifact_type", "logical_key", "artifact_id"),
    unique_key=("table_name", "artifact_id"),
    key_parts=("projection",),
    asset="research_projection",
)

PROJECTION_TYPES = (PROJECTION_RECEIPT,)
