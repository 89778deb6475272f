"""Frozen sets: exactly these artifacts, as one artifact that others can point at."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

CURRENT = "current"
"""Selection of the two sets that hold every current artifact."""


def frozen_set_draft(of: str, selection: str, members: Sequence[Artifact]) -> ArtifactDraft:
    """The set of ``members`` under ``of=<of>/selection=<selection>``; its inputs are its members."""
    return ArtifactDraft(
        ARTIFACT_SET,
        {"of": of, "selection": selection},
        frozen_set_table(members),
        inputs=[member.artifact_id for member in members],
    )


def frozen_set_table(members: Sequence[Artifact]) -> pa.Table:
    """One row per member, in the order of the set's sort key."""
    rows = [
        {
            "logical_key": member.logical_key,
            "artifact_id": member.artifact_id,
            "artifact_type": member.artifact_type,
            "schema_version": member.schema_version,
            "content_hash": member.content_hash,
            "row_count": member.row_count,
            "min_ts": parse_timestamp(member.min_ts) if member.min_ts else None,
            "max_ts": parse_timestamp(member.max_ts) if member.max_ts else None,
        }
        for member in sorted(members, key=lambda member: (member.artifact_type, member.logical_key, member.artifact_id))
    ]
    return pa.Table.from_pylist(rows, schema=ARTIFACT_SET.schema)
