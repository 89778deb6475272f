"""The change ``artifact``: a new row of the manifest's table of artifacts.

The event holds the whole row, so that a rebuild needs no sidecar where the event is there, and no event where the
sidecar is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import apsw

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction, NewArtifact

KIND = "artifact"


def record_artifact(transaction: ManifestTransaction, new: NewArtifact) -> None:
    """Add an artifact whose files are durable; `record_head_change` makes it the head of its key."""
    artifact = new.artifact
    change = transaction.note(
        KIND,
        artifact_id=artifact.artifact_id,
        artifact_type=artifact.artifact_type,
        schema_version=artifact.schema_version,
        logical_key=artifact.logical_key,
        status=artifact.status.value,
        path_parquet=artifact.path_parquet,
        path_sidecar=artifact.path_sidecar,
        file_hash=artifact.file_hash,
        content_hash=artifact.content_hash,
        row_count=artifact.row_count,
        min_ts=artifact.min_ts,
        max_ts=artifact.max_ts,
        created_at=artifact.created_at,
        byte_size=new.byte_size,
    )
    replay_artifact(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def replay_artifact(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The row of an ``artifact`` change; ``at`` is not in it, since an artifact may be older than its publication."""
    connection.execute(
        "INSERT INTO artifacts (artifact_id, artifact_type, schema_version, logical_key, status, path_parquet,"
        " path_sidecar, file_hash, content_hash, row_count, min_ts, max_ts, created_at, byte_size, published_seq)"
        " VALUES (:artifact_id, :artifact_type, :schema_version, :logical_key, :status, :path_parquet,"
        " :path_sidecar, :file_hash, :content_hash, :row_count, :min_ts, :max_ts, :created_at, :byte_size, :seq)",
        {**change, "seq": seq},
    )
