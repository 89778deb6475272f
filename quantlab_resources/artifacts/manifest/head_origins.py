"""Where heads come from: when each became the head of its key, and when a run published it last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import apsw

from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.manifest.manifest import Manifest
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of

BATCH = 5_000
_QUERY = f"""
SELECT {ARTIFACT_COLUMNS}, h.seq, coalesce(
    (SELECT max(p.seq) FROM publications p WHERE p.artifact_id = h.artifact_id AND p.run_id IS NOT NULL), 0
), coalesce(a.byte_size, 0)
FROM artifact_heads h JOIN artifacts a ON a.artifact_id = h.artifact_id
WHERE h.artifact_type = ? AND h.logical_key > ? ORDER BY h.logical_key LIMIT ?
"""  # noqa: S608 - fixed text


@dataclass(frozen=True, slots=True)
class HeadOrigin:
    """A head: the change that made it one, the last change in which a run published it (0: none did), and its size."""

    artifact: Artifact
    head_sequence: int
    run_sequence: int
    byte_size: int


def head_origins(manifest: Manifest, artifact_type: str) -> Iterator[HeadOrigin]:
    """Every head of this type by key, a batch at a time: memory does not grow with their number.

    Each batch is a look of its own at the manifest; a key that comes or goes in between may be missed.
    """
    after = ""
    while True:
        with manifest.reading() as connection:
            batch = _batch(connection, artifact_type, after)
        yield from batch
        if len(batch) < BATCH:
            return
        after = batch[-1].artifact.logical_key


def _batch(connection: apsw.Connection, artifact_type: str, after: str) -> list[HeadOrigin]:
    rows = connection.execute(_QUERY, (artifact_type, after, BATCH))
    return [HeadOrigin(artifact_of(row[:-3]), *row[-3:]) for row in rows]
