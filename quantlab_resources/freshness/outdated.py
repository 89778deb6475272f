"""What is not current any more: one artifact or partition, and which of its inputs came, changed or went since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import apsw

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_resources.artifacts.manifest import manifest_queries
from quantlab_resources.artifacts.manifest.head_inputs import HeadInputs, was_made_from


@dataclass(frozen=True, slots=True)
class Replaced:
    """An input that is no longer current, and what took its place: None where nothing did."""

    artifact_id: str
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class Outdated:
    """One artifact (or, while there is none, one partition) that is not made from what is current.

    ``newer`` are inputs that came since, ``replaced`` are superseded ones and ``withdrawn`` tombstoned ones among what
    it was made from. ``artifact_id`` is None where it was never made.
    """

    partition: str | None
    artifact_id: str | None
    newer: tuple[str, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    withdrawn: tuple[str, ...] = ()
    note: str = ""
    """What no input tells: candles were asked for since, say."""

    @property
    def is_missing(self) -> bool:
        """Whether it was never made."""
        return self.artifact_id is None


def compare(
    connection: apsw.Connection,
    partition: str | None,
    made: HeadInputs | None,
    wanted: Mapping[str, Artifact],
    allowed: Collection[str] = (),
) -> Outdated | None:
    """How ``made`` differs from what would be made now, from ``wanted`` (by id); None when it does not.

    ``allowed`` are ids that it may be made from although they are no longer current.
    """
    if made is None:
        return Outdated(partition, None, newer=tuple(sorted(wanted))) if wanted else None
    came = wanted.keys() - made.inputs
    left = {used for used in made.inputs if used not in wanted and used not in allowed}
    if not came and not left:
        return None
    gone = [
        found
        for found in manifest_queries.get_many(connection, sorted(left))
        if found is not None and found.status is not ArtifactStatus.ACTIVE
    ]
    if not came and not gone:
        return None
    if not allowed and wanted and was_made_from(connection, made.artifact.artifact_id, sorted(wanted)):
        return None
    by_key = {(found.artifact_type, found.logical_key): artifact_id for artifact_id, found in wanted.items()}
    withdrawn = [found.artifact_id for found in gone if found.status is ArtifactStatus.TOMBSTONED]
    replaced = tuple(
        Replaced(found.artifact_id, by_key.get((found.artifact_type, found.logical_key)))
        for found in gone
        if found.status is not ArtifactStatus.TOMBSTONED
    )
    newer = came - {one.replaced_by for one in replaced}
    return Outdated(partition, made.artifact.artifact_id, tuple(sorted(newer)), replaced, tuple(withdrawn))
