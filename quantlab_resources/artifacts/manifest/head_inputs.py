"""Current artifacts with what they were made from: what their latest publication that names inputs says.

Publications that name no inputs say nothing, and adopted artifacts that no run published here have the lineage of the
earlier store: the rules of `staleness`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Artifact
from quantlab_resources.artifacts.manifest.manifest_queries import ARTIFACT_COLUMNS, artifact_of

_QUERY = f"""
SELECT {ARTIFACT_COLUMNS}, h.seq,
    (SELECT max(p.seq) FROM publications p WHERE p.artifact_id = a.artifact_id),
    (
        SELECT json_group_array(i.input_artifact_id) FROM publication_inputs i WHERE (i.seq, i.ordinal) = (
            SELECT q.seq, q.ordinal FROM publications q WHERE q.artifact_id = a.artifact_id
            AND EXISTS (SELECT 1 FROM publication_inputs e WHERE e.seq = q.seq AND e.ordinal = q.ordinal)
            ORDER BY q.seq DESC, q.ordinal DESC LIMIT 1
        )
    )
FROM artifact_heads h JOIN artifacts a ON a.artifact_id = h.artifact_id
WHERE h.artifact_type = ? AND h.logical_key >= ? AND h.logical_key < ? ORDER BY h.logical_key
"""  # noqa: S608 - fixed text
_LINEAGE = "SELECT input_artifact_id FROM artifact_lineage WHERE artifact_id = ?"
_EARLIER = """
SELECT 1 FROM publications q WHERE q.artifact_id = ?1
AND (SELECT count(*) FROM publication_inputs i WHERE i.seq = q.seq AND i.ordinal = q.ordinal) = ?3
AND NOT EXISTS (
    SELECT 1 FROM publication_inputs i WHERE i.seq = q.seq AND i.ordinal = q.ordinal
    AND i.input_artifact_id NOT IN (SELECT value FROM json_each(?2))
) LIMIT 1
"""
_LATEST = """
SELECT coalesce(max(p.seq), 0) FROM artifacts a JOIN publications p ON p.artifact_id = a.artifact_id
WHERE a.artifact_type IN (SELECT value FROM json_each(?))
"""


@dataclass(frozen=True, slots=True)
class HeadInputs:
    """A current artifact, and the ids that it was made from.

    ``head_sequence`` is the change that made it current, ``last_sequence`` that of its latest publication: None for an
    adopted artifact that nobody published here.
    """

    artifact: Artifact
    inputs: frozenset[str]
    head_sequence: int
    last_sequence: int | None


def heads_with_inputs(connection: apsw.Connection, artifact_type: str, key_prefix: str = "") -> list[HeadInputs]:
    """The heads of this type whose keys begin with ``key_prefix``, sorted by key. Paths are as they are stored."""
    rows: list[tuple[Any, ...]] = connection.execute(
        _QUERY, (artifact_type, key_prefix, key_prefix + "\U0010ffff")
    ).fetchall()
    found: list[HeadInputs] = []
    for *columns, head_sequence, last_sequence, inputs in rows:
        artifact = artifact_of(columns)
        named: frozenset[str] = frozenset(json.loads(inputs))
        if last_sequence is None:
            named = frozenset(str(row[0]) for row in connection.execute(_LINEAGE, (artifact.artifact_id,)))
        found.append(HeadInputs(artifact, named, head_sequence, last_sequence))
    return found


def was_made_from(connection: apsw.Connection, artifact_id: str, inputs: Sequence[str]) -> bool:
    """Whether an earlier publication of the artifact named exactly these inputs: its content follows from them too."""
    return connection.execute(_EARLIER, (artifact_id, json.dumps(list(inputs)), len(inputs))).fetchone() is not None


def last_publication_sequence(connection: apsw.Connection, artifact_types: Sequence[str]) -> int:
    """The change of the latest publication of these types, deduplicated ones included; 0 without any."""
    return int(connection.execute(_LATEST, (json.dumps(list(artifact_types)),)).get)
