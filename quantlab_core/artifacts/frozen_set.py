"""Frozen sets: exactly these artifacts, as one artifact that others can point at."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.timestamp_text import find_timestamp
from quantlab_core.errors import ArtifactNotFoundError, InvalidInputError

CURRENT = "current"
"""Selection of the two sets that hold every current artifact."""


def frozen_set_table(members: Sequence[Artifact]) -> pa.Table:
    """The set of ``members``: one row each, in the order of the set's sort key."""
    rows = [
        {
            "logical_key": member.logical_key,
            "artifact_id": member.artifact_id,
            "artifact_type": member.artifact_type,
            "schema_version": member.schema_version,
            "content_hash": member.content_hash,
            "row_count": member.row_count,
            "min_ts": find_timestamp(member.min_ts),
            "max_ts": find_timestamp(member.max_ts),
        }
        for member in sorted(members, key=lambda member: (member.artifact_type, member.logical_key, member.artifact_id))
    ]
    return pa.Table.from_pylist(rows, schema=ARTIFACT_SET.schema)


def set_members(store: ArtifactStore, artifact_set: Artifact) -> list[Artifact]:
    """The members of a frozen set, in the order of the set.

    Raises InvalidInputError for an artifact that is no set, ArtifactNotFoundError for a member that the manifest does
    not know, ArtifactDamagedError.
    """
    if artifact_set.artifact_type != ARTIFACT_SET.name:
        raise InvalidInputError(
            f"{artifact_set.artifact_id} is a {artifact_set.artifact_type}, not a frozen set ({ARTIFACT_SET.name})"
        )
    ids = [str(value) for value in store.read(artifact_set.artifact_id).column("artifact_id").to_pylist()]
    members = []
    for artifact_id, member in zip(ids, store.get_artifacts(ids), strict=True):
        if member is None:
            raise ArtifactNotFoundError(
                f"artifact not found: {artifact_id}, a member of the frozen set {artifact_set.artifact_id}"
            )
        members.append(member)
    return members
