"""What Dagster is told about a materialization: which artifacts, how many rows, which version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import dagster as dg

from quantlab_core.artifacts.artifact import Artifact, PublishResult
from quantlab_resources.dagster_io.artifact_draft import PublishedPartition, RangeTotal

MAX_TABLE_ROWS = 50


def metadata_of(published: Sequence[PublishedPartition]) -> dict[str, dg.MetadataValue]:
    """Counts, ids and a table of the artifacts (at most 50 rows: longer tables make the UI slow), and one preview."""
    results = [result for partition in published for result in partition.results]
    metadata = described(
        [result.artifact for result in results[:MAX_TABLE_ROWS]],
        artifact_count=len(results),
        row_count=sum(result.artifact.row_count for result in results),
        version=set_hash(_identities(results)),
        is_new=[not result.deduped for result in results[:MAX_TABLE_ROWS]],
        byte_size=sum(partition.byte_size for partition in published),
    )
    metadata["new_artifacts"] = dg.MetadataValue.int(sum(not result.deduped for result in results))
    if len(published) == 1:
        metadata.update(published[0].preview)
    return metadata


def total_metadata(total: RangeTotal | None) -> dict[str, dg.MetadataValue]:
    """Of a run over many partitions: what they came to. Each partition has an event of its own beside it."""
    total = RangeTotal() if total is None else total
    return {
        "partitions": dg.MetadataValue.int(total.partitions),
        "artifacts": dg.MetadataValue.int(total.artifacts),
        "new_artifacts": dg.MetadataValue.int(total.new),
        "rows": dg.MetadataValue.int(total.rows),
    }


def described(
    sample: Sequence[Artifact],
    *,
    artifact_count: int,
    row_count: int,
    version: str,
    is_new: Sequence[bool] = (),
    byte_size: int | None = None,
) -> dict[str, dg.MetadataValue]:
    """What is said of ``artifact_count`` artifacts, of which ``sample`` are the first.

    Ids and hashes are paths to Dagster: these are what its UI gives a button that copies them.
    """
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(row_count),
        "artifacts": dg.MetadataValue.int(artifact_count),
    }
    if byte_size is not None:
        metadata["dagster/size_bytes"] = dg.MetadataValue.int(byte_size)
    if artifact_count == 1:
        (artifact,) = sample
        metadata["artifact_id"] = dg.MetadataValue.path(artifact.artifact_id)
        metadata["content_hash"] = dg.MetadataValue.path(artifact.content_hash)
        metadata["parquet"] = dg.MetadataValue.path(artifact.path_parquet)
    elif artifact_count:
        metadata["set_hash"] = dg.MetadataValue.path(version)
        metadata["artifact_table"] = dg.MetadataValue.table(
            [
                dg.TableRecord(
                    {
                        "logical_key": artifact.logical_key,
                        "rows": artifact.row_count,
                        "artifact_id": artifact.artifact_id,
                        **({"new": is_new[number]} if is_new else {}),
                    }
                )
                for number, artifact in enumerate(sample[:MAX_TABLE_ROWS])
            ]
        )
    return metadata


class SetHash:
    """Version of a set of artifacts: ``set:`` + SHA-256 over its (type, logical key, content hash) lines in order.

    Lines come sorted, one at a time, so that a set of any size takes no memory. One artifact's version is its content
    hash, so that Dagster shows the same text as the manifest.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._count = 0
        self._only = ""

    def add(self, identity: tuple[str, str, str]) -> None:
        """Take in the next line."""
        self._digest.update("\t".join(identity).encode() + b"\n")
        self._count += 1
        self._only = identity[2]

    def value(self) -> str:
        """The version of what was taken in so far."""
        return self._only if self._count == 1 else f"set:{self._digest.hexdigest()}"


def set_hash(identities: Iterable[tuple[str, str, str]]) -> str:
    """The `SetHash` of (type, logical key, content hash) triples in any order."""
    digest = SetHash()
    for identity in sorted(identities):
        digest.add(identity)
    return digest.value()


def data_version_of(published: PublishedPartition) -> str:
    """The data version that Dagster records for one partition of one asset."""
    return set_hash(_identities(published.results))


def _identities(results: Iterable[PublishResult]) -> list[tuple[str, str, str]]:
    return [(r.artifact.artifact_type, r.artifact.logical_key, r.artifact.content_hash) for r in results]
