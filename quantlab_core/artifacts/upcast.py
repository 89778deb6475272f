"""Upcasts: tables of earlier schema versions as tables of the newest version of their type."""

from __future__ import annotations

import pyarrow as pa

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.registry import artifact_type, find_artifact_type


def upcast(table: pa.Table, artifact: Artifact) -> pa.Table:
    """The stored ``table`` of ``artifact`` in the newest schema version of its type.

    A table of the newest version, or of a version without a successor, comes back as it is. Raises SchemaError when a
    value cannot be said in the next version.
    """
    spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
    while spec is not None and spec.upcast is not None:
        table = spec.upcast(table, artifact.logical_key)
        spec = artifact_type(spec.name, spec.version + 1)
    return table


def rows_left_out(table: pa.Table, artifact: Artifact) -> int:
    """How many rows of a stored table its upcast leaves out: unreadable ones, and repetitions of others.

    Raises as `upcast`.
    """
    return table.num_rows - upcast(table, artifact).num_rows
