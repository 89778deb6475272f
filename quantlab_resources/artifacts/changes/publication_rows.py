"""The change ``publication``: that a run published something, from which inputs, with which parameters and tags.

What a sidecar cannot hold for a run that found its content already there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import apsw

from quantlab_core.errors import ArtifactNotFoundError, ConflictError
from quantlab_resources.artifacts.manifest import manifest_queries

if TYPE_CHECKING:
    from quantlab_resources.artifacts.manifest.manifest_transaction import (
        ManifestTransaction,
        Publication,
        PublishOutcome,
    )

KIND = "publication"


def record_publication(
    transaction: ManifestTransaction, outcome: PublishOutcome, publication: Publication, *, published_at: str = ""
) -> None:
    """Add a publication of an artifact that has its row. ``published_at`` is when it happened, if not now.

    Raises ArtifactNotFoundError for an unknown input, ConflictError for an artifact that is its own input or made from
    what the same call makes from it.
    """
    inputs = sorted(set(publication.input_artifact_ids))
    unknown = manifest_queries.unknown_ids(transaction.connection, inputs)
    if unknown:
        raise ArtifactNotFoundError(
            f"artifact not found: input {unknown[0]} was never published; nothing was published"
        )
    if not outcome.deduped and inputs:
        _refuse_circle(transaction.connection, outcome.artifact_id, inputs)
    writer = publication.writer
    change = transaction.note(
        KIND,
        ordinal=transaction.next_ordinal(),
        artifact_id=outcome.artifact_id,
        deduped=outcome.deduped,
        run_id=publication.run_id,
        writer={"name": writer.name, "version": writer.version},
        git={"commit": writer.git_commit, "dirty": writer.git_dirty},
        params=json.loads(json.dumps(dict(publication.params))),
        inputs=inputs,
        unlinked=descendants_among(transaction.connection, outcome.artifact_id, inputs, deduped=outcome.deduped),
        tags=dict(publication.tags),
        **({"published_at": published_at} if published_at else {}),
    )
    replay_publication(transaction.connection, change, seq=transaction.seq, at=transaction.at)


def _refuse_circle(connection: apsw.Connection, artifact_id: str, inputs: Sequence[str]) -> None:
    """Raise ConflictError when a new artifact is made from one of the same call that is made from it."""
    if artifact_id not in inputs and manifest_queries.is_upstream(connection, artifact_id, inputs):
        raise ConflictError(
            f"artifact {artifact_id} cannot be made from what is made from itself; nothing was published"
        )


def descendants_among(
    connection: apsw.Connection, artifact_id: str, inputs: Sequence[str], *, deduped: bool
) -> list[str]:
    """The inputs that were themselves made from the artifact: no lineage, or history would go in a circle.

    Raises ConflictError for a new artifact that is its own input.
    """
    if not deduped:
        if artifact_id in inputs:
            raise ConflictError(f"artifact {artifact_id} cannot be its own input")
        return []
    further = set(inputs) - set(manifest_queries.direct_inputs(connection, artifact_id))
    if not further or not manifest_queries.is_upstream(connection, artifact_id, further):
        return []
    return sorted(further & (manifest_queries.descendants(connection, artifact_id) | {artifact_id}))


def replay_publication(connection: apsw.Connection, change: Mapping[str, Any], *, seq: int, at: str) -> None:
    """The rows of a ``publication`` change: it, its inputs, new lineage and new tags."""
    ordinal, artifact_id = change["ordinal"], change["artifact_id"]
    writer, git = change["writer"], change["git"]
    connection.execute(
        "INSERT INTO publications (seq, ordinal, artifact_id, deduped, run_id, writer_name, writer_version,"
        " git_commit, git_dirty, params, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            seq,
            ordinal,
            artifact_id,
            int(change["deduped"]),
            change["run_id"],
            writer["name"],
            writer["version"],
            git["commit"],
            int(git["dirty"]),
            json.dumps(change["params"], ensure_ascii=False, sort_keys=True, separators=(",", ":")),
            change.get("published_at", at),
        ),
    )
    connection.executemany(
        "INSERT INTO publication_inputs (seq, ordinal, input_artifact_id) VALUES (?, ?, ?)",
        ((seq, ordinal, input_id) for input_id in change["inputs"]),
    )
    unlinked = set(change["unlinked"])
    connection.executemany(
        "INSERT OR IGNORE INTO artifact_lineage (artifact_id, input_artifact_id) VALUES (?, ?)",
        ((artifact_id, input_id) for input_id in change["inputs"] if input_id not in unlinked),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO artifact_tags (artifact_id, k, v) VALUES (?, ?, ?)",
        ((artifact_id, key, value) for key, value in sorted(change["tags"].items())),
    )
