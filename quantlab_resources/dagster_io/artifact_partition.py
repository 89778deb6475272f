"""Which Dagster partition an artifact belongs to: what its type declares, read off its logical key."""

from __future__ import annotations

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.candles.slices import slice_day
from quantlab_core.errors import LogicalKeyError
from quantlab_core.token import Token

FILE_KEY_LENGTH = 16
"""So many hex digits of its SHA-256 name an archived file among the partitions."""


def partition_of(spec: ArtifactType, logical_key: str) -> str | None:
    """The partition key of the artifact under ``logical_key``; None where its asset is not partitioned.

    A slice that was exported by hand belongs to no day: None too. Raises LogicalKeyError.
    """
    parts = parse_key(spec, logical_key)
    match spec.partition:
        case None:
            return None
        case "cohort_day":
            try:
                return slice_day(parts).isoformat()
            except LogicalKeyError:
                return None
        case "token":
            return Token.from_key_parts(parts).partition_key
        case "raw_file":
            return parts["sha256"][:FILE_KEY_LENGTH]
        case part:
            return parts[part]
