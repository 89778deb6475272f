"""Every publication of a lake, deduplicated ones included: which run published what, made from which inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Writer

_QUERY = """
SELECT p.artifact_id, p.deduped, p.run_id, p.at, p.writer_name, p.writer_version, p.git_commit, p.git_dirty, p.params, (
    SELECT json_group_array(i.input_artifact_id) FROM publication_inputs i WHERE i.seq = p.seq AND i.ordinal = p.ordinal
)
FROM publications p {where} ORDER BY p.seq, p.ordinal
"""
_LATEST = """
SELECT max(p.at) FROM artifacts a JOIN publications p ON p.artifact_id = a.artifact_id
WHERE a.artifact_type IN ({listed}) AND (p.seq <= ? OR p.run_id = ?)
"""


@dataclass(frozen=True, slots=True)
class PublicationRecord:
    """One publish of one artifact. ``at`` is UTC text; ``deduped`` says that the content was there before."""

    artifact_id: str
    deduped: bool
    run_id: str | None
    at: str
    writer: Writer
    params: Mapping[str, Any]
    input_artifact_ids: tuple[str, ...]


def last_publication(
    connection: apsw.Connection, artifact_types: Sequence[str], *, sequence: int, run_id: str
) -> str | None:
    """When the latest publication of these types was, up to ``sequence`` or of the run; None without any."""
    listed = ", ".join("?" * len(artifact_types))
    found = connection.execute(_LATEST.format(listed=listed), (*artifact_types, sequence, run_id)).get
    return None if found is None else str(found)


def publications(connection: apsw.Connection, artifact_id: str | None = None) -> list[PublicationRecord]:
    """All publications in their order, or those of one artifact."""
    where, values = ("", ()) if artifact_id is None else ("WHERE p.artifact_id = ?", (artifact_id,))
    return [
        PublicationRecord(
            artifact_id=row[0],
            deduped=bool(row[1]),
            run_id=row[2],
            at=row[3],
            writer=Writer(row[4], row[5], row[6], bool(row[7])),
            params=json.loads(row[8]),
            input_artifact_ids=tuple(sorted(json.loads(row[9]))),
        )
        for row in connection.execute(_QUERY.format(where=where), values)
    ]
