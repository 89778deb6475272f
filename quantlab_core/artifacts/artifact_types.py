"""Artifact types that every capability shares: raw files, where lineage ends, and frozen sets."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import UTC_TIMESTAMP, ArtifactType, column

RAW_FILE = ArtifactType(
    name="raw_file_v1",
    version=1,
    doc="One file as it came in, archived read-only under raw/<sha256>. Every lineage ends at such files.",
    schema=pa.schema(
        [
            column("sha256", pa.string(), "SHA-256 of the file's bytes, 64 lower-case hex digits"),
            column("byte_size", pa.int64(), "size of the file in bytes"),
            column("kind", pa.string(), "what the file was taken for: telegram_export or candle_file"),
        ]
    ),
    sort_key=("sha256",),
    unique_key=("sha256",),
    key_parts=("kind", "sha256"),
    asset={"telegram_export": "telegram_exports", "candle_file": "candle_files"},
    partition="raw_file",
    append_only=True,
)

ARTIFACT_SET = ArtifactType(
    name="artifact_set",
    version=1,
    doc="A frozen set: exactly these artifacts, by id and content hash. Its members are its lineage.",
    schema=pa.schema(
        [
            column("logical_key", pa.string(), "logical key of the member"),
            column("artifact_id", pa.string(), "id of the member"),
            column("artifact_type", pa.string(), "artifact type of the member"),
            column("schema_version", pa.int32(), "schema version of the member"),
            column("content_hash", pa.string(), "content hash of the member when the set was frozen"),
            column("row_count", pa.int64(), "rows of the member"),
            column("min_ts", UTC_TIMESTAMP, "earliest time in the member (UTC)", nullable=True),
            column("max_ts", UTC_TIMESTAMP, "latest time in the member (UTC)", nullable=True),
        ]
    ),
    sort_key=("artifact_type", "logical_key", "artifact_id"),
    unique_key=("artifact_id",),
    key_parts=("of", "selection"),
    asset={"alerts": "alert_set", "candles": "candle_set"},
)

SHARED_TYPES = (RAW_FILE, ARTIFACT_SET)
