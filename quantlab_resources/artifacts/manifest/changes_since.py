"""What has changed in the manifest since a change: which artifact types, by which runs, and when."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import apsw

_TYPES = """
SELECT a.artifact_type, p.run_id, min(p.seq), max(p.at) FROM publications p JOIN artifacts a USING (artifact_id)
WHERE p.seq > :since GROUP BY a.artifact_type, p.run_id
UNION ALL
SELECT artifact_type, NULL, min(seq), max(at) FROM head_changes WHERE seq > :since GROUP BY artifact_type
"""


@dataclass(frozen=True, slots=True)
class ChangesOfType:
    """Changes of one artifact type by one run (None: by no run, or not by publishing)."""

    artifact_type: str
    run_id: str | None
    first_sequence: int
    last_at: str
    """When the last of them was committed, as the manifest writes times."""


def changes_since(connection: apsw.Connection, sequence: int) -> Collection[ChangesOfType]:
    """All changes after ``sequence``, grouped."""
    return [ChangesOfType(*row) for row in connection.execute(_TYPES, {"since": sequence})]
