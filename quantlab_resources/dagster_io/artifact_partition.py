"""Which Dagster partition an artifact belongs to, by its logical key."""

from __future__ import annotations

from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.candles.slices import slice_day
from quantlab_core.errors import LogicalKeyError
from quantlab_core.token import Token


def lies_in_partition(spec: ArtifactType, logical_key: str, partition: str) -> bool:
    """Whether the artifact under ``logical_key`` belongs to the partition.

    Slices belong to the day of their window (one exported by hand to none), series to their token, raw files to the
    beginning of their hash, all others to the first part of their key. Raises LogicalKeyError.
    """
    parts = parse_key(spec, logical_key)
    if "from" in parts:
        try:
            return slice_day(parts).isoformat() == partition
        except LogicalKeyError:
            return False
    if "token" in parts:
        return Token.from_key_parts(parts).partition_key == partition
    if "sha256" in parts:
        return parts["sha256"].startswith(partition)
    return parts[spec.key_parts[0]] == partition
