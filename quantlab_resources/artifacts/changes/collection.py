"""The change ``collection``: bytes were removed because nothing in use was made from them, or they are back.

Row, sidecar and lineage of a collected artifact stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import apsw

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.registry import find_artifact_type, owning_asset
from quantlab_core.errors import ArtifactMissingError

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import ManifestTransaction

KIND = "collection"


def record_collection(transaction: ManifestTransaction, artifact_ids: Sequence[str]) -> None:
    """Give up the bytes of these artifacts; they are removed after the commit."""
    _record(transaction, {"removed": sorted(artifact_ids), "restored": []})


def record_restoration(transaction: ManifestTransaction, artifact_ids: Sequence[str]) -> None:
    """Take those that had been collected as being there again; nothing where none had been."""
    if not artifact_ids:
        return
    rows = transaction.connection.execute(
        "SELECT artifact_id FROM collections WHERE artifact_id IN (SELECT value FROM json_each(?)) ORDER BY 1",
        (json.dumps(list(artifact_ids)),),
    )
    restored = [row[0] for row in rows]
    if restored:
        _record(transaction, {"removed": [], "restored": restored})


def replay_collection(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of a ``collection`` change."""
    connection.executemany(
        "INSERT INTO collections (artifact_id, seq, at) VALUES (?, ?, ?)",
        ((artifact_id, seq, at) for artifact_id in change["removed"]),
    )
    connection.executemany(
        "DELETE FROM collections WHERE artifact_id = ?", ((artifact_id,) for artifact_id in change["restored"])
    )


def collected_at(connection: apsw.Connection, artifact_id: str) -> str | None:
    """When the artifact's bytes were given up (UTC text); None when they were not."""
    row = connection.execute("SELECT at FROM collections WHERE artifact_id = ?", (artifact_id,)).fetchone()
    return None if row is None else str(row[0])


def check_not_collected(connection: apsw.Connection, artifact: Artifact) -> None:
    """Raise ArtifactMissingError, with when it was and what brings it back, if the artifact's bytes were given up."""
    at = collected_at(connection, artifact.artifact_id)
    if at is not None:
        raise ArtifactMissingError(
            f"artifact {artifact.artifact_id} ({artifact.artifact_type} {artifact.logical_key}) was collected at {at}:"
            f" nothing in use was made from it; publishing the same content again brings it back{_by_whom(artifact)}"
        )


def _by_whom(artifact: Artifact) -> str:
    spec = find_artifact_type(artifact.artifact_type, artifact.schema_version)
    return "" if spec is None or not spec.asset else f" (asset {owning_asset(spec, artifact.logical_key)})"


def _record(transaction: ManifestTransaction, change: Mapping[str, Any]) -> None:
    transaction.note(KIND, **change)
    replay_collection(transaction.connection, change, seq=transaction.seq, at=transaction.at)
