"""What Dagster is told about a materialization: which artifacts, how many rows, which version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import dagster as dg

from quantlab_core.artifacts.artifact import PublishResult
from quantlab_resources.dagster_io.artifact_draft import PublishedPartition

MAX_TABLE_ROWS = 50


def metadata_of(published: Sequence[PublishedPartition]) -> dict[str, dg.MetadataValue]:
    """Counts, ids and a table of the artifacts (at most 50 rows: longer tables make the UI slow), and one preview."""
    results = [result for partition in published for result in partition.results]
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(sum(result.artifact.row_count for result in results)),
        "artifacts": dg.MetadataValue.int(len(results)),
        "new_artifacts": dg.MetadataValue.int(sum(not result.deduped for result in results)),
    }
    if len(results) == 1:
        artifact = results[0].artifact
        metadata["artifact_id"] = dg.MetadataValue.text(artifact.artifact_id)
        metadata["content_hash"] = dg.MetadataValue.text(artifact.content_hash)
        metadata["parquet"] = dg.MetadataValue.path(artifact.path_parquet)
    elif results:
        metadata["set_hash"] = dg.MetadataValue.text(set_hash(_identities(results)))
        metadata["artifact_table"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "logical_key": result.artifact.logical_key,
                        "rows": result.artifact.row_count,
                        "artifact_id": result.artifact.artifact_id,
                        "new": not result.deduped,
                    }
                )
                for result in results[:MAX_TABLE_ROWS]
            ]
        )
    if len(published) == 1:
        metadata.update(published[0].preview)
    return metadata


def set_hash(identities: Iterable[tuple[str, str, str]]) -> str:
    """Version of a set of artifacts: ``set:`` + SHA-256 over its sorted (type, logical key, content hash) lines.

    One artifact's version is its content hash, so that Dagster shows the same text as the manifest.
    """
    ordered = sorted(identities)
    if len(ordered) == 1:
        return ordered[0][2]
    digest = hashlib.sha256()
    for identity in ordered:
        digest.update("\t".join(identity).encode() + b"\n")
    return f"set:{digest.hexdigest()}"


def data_version_of(published: PublishedPartition) -> str:
    """The data version that Dagster records for one partition of one asset."""
    return set_hash(_identities(published.results))


def _identities(results: Iterable[PublishResult]) -> list[tuple[str, str, str]]:
    return [(r.artifact.artifact_type, r.artifact.logical_key, r.artifact.content_hash) for r in results]
