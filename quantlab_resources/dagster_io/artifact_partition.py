"""Which Dagster partition an artifact belongs to, by its logical key."""

from __future__ import annotations

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.candles.slices import slice_day
from quantlab_core.errors import LogicalKeyError
from quantlab_core.token import Token

FILE_KEY_LENGTH = 16
"""So many hex digits of its SHA-256 name an archived file among the partitions."""


def partition_of(spec: ArtifactType, logical_key: str) -> str | None:
    """The partition key of the artifact under ``logical_key``, where its asset is partitioned.

    A slice belongs to the day of its window (None: it was exported by hand and belongs to no day), a series to its
    token, a raw file to the beginning of its hash, everything else to the first part of its key.
    Raises LogicalKeyError.
    """
    parts = parse_key(spec, logical_key)
    if "from" in parts:
        try:
            return slice_day(parts).isoformat()
        except LogicalKeyError:
            return None
    if "token" in parts:
        return Token.from_key_parts(parts).partition_key
    if "sha256" in parts:
        return parts["sha256"][:FILE_KEY_LENGTH]
    return parts[spec.key_parts[0]]
