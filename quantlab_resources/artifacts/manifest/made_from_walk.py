"""The walk from changed artifacts to everything that was made from them, level by level in temporary tables.

Set-based, so that its memory does not grow with the lake. It starts at the changed artifacts and looks at their own
edges only. What the rules mean is explained in `staleness`.

Tables of one walk, gone with the transaction of the question:

- ``walk (artifact_id, standing, via, via_standing, depth)``: what was reached, the input through which, and how many
  edges away it is. ``standing`` is 0, but for superseded sets and strategies whose key has a newer one: 1 for it as
  such, which matters to everything but experiments, 2 for the set as its members, which matters to the experiments that
  pinned it
- ``met (artifact_id, standing, is_definition)``: what was met on the way; without a standing where the way ends
- ``made (artifact_id, seq, ordinal, level)``: the publication that says what an artifact was made from
- ``reached (artifact_id, via, via_standing)``: the edges of one level
"""

from __future__ import annotations

import apsw

from quantlab_core.alerts.artifact_types import ALERT_EVENTS, ALERTS
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.strategies.artifact_types import STRATEGY

IS_REPLACED = """(
    a.status <> 'active' OR EXISTS (
        SELECT 1 FROM adoptions d
        JOIN artifact_heads h ON h.artifact_type = a.artifact_type AND h.logical_key = a.logical_key
        WHERE d.artifact_id = a.artifact_id AND NOT d.was_head AND h.artifact_id <> a.artifact_id
    )
)"""
"""Whether the artifact ``a`` is replaced: no longer what an input should be. See `staleness`."""

_IS_RENEWED = f"""(
    a.artifact_type IN ('{ARTIFACT_SET.name}', '{STRATEGY.name}') AND a.status = 'superseded' AND EXISTS (
        SELECT 1 FROM artifact_heads h WHERE h.artifact_type = a.artifact_type AND h.logical_key = a.logical_key
    )
)"""  # noqa: S608 - fixed text
_IS_PINNED = f"""EXISTS (
    SELECT 1 FROM artifact_lineage p CROSS JOIN artifacts e ON e.artifact_id = p.artifact_id
    WHERE p.input_artifact_id = a.artifact_id AND e.artifact_type = '{EXPERIMENT_DEFINITION.name}'
)"""  # noqa: S608 - fixed text

_BEGIN = """
DROP TABLE IF EXISTS temp.walk;
DROP TABLE IF EXISTS temp.met;
DROP TABLE IF EXISTS temp.made;
DROP TABLE IF EXISTS temp.reached;
CREATE TEMP TABLE walk (
    artifact_id TEXT, standing INTEGER, via TEXT, via_standing INTEGER, depth INTEGER,
    PRIMARY KEY (artifact_id, standing)
) WITHOUT ROWID;
CREATE INDEX temp.walk_depth ON walk (depth);
CREATE TEMP TABLE made (artifact_id TEXT PRIMARY KEY, seq INTEGER, ordinal INTEGER, level INTEGER) WITHOUT ROWID;
CREATE INDEX temp.made_level ON made (level);
CREATE TEMP TABLE met (artifact_id TEXT PRIMARY KEY, standing INTEGER, is_definition INTEGER) WITHOUT ROWID;
CREATE TEMP TABLE reached (
    artifact_id TEXT, via TEXT, via_standing INTEGER, PRIMARY KEY (artifact_id, via, via_standing)
) WITHOUT ROWID;
"""

# What the earlier store held of a day is fixed: events are made from it, and what took its place in its key is in turn
# made from these very events. Only its withdrawal makes them stale.
_TAKES_ADOPTED_CALLS = f"""EXISTS (
    SELECT 1 FROM adoptions d
    JOIN artifacts i ON i.artifact_id = d.artifact_id
    JOIN artifacts x ON x.artifact_id = l.artifact_id
    WHERE d.artifact_id = w.artifact_id AND d.was_head AND i.status = 'superseded'
    AND i.artifact_type IN ('{ALERT_EVENTS.name}', '{ALERTS.name}') AND x.artifact_type = '{ALERT_EVENTS.name}'
)"""  # noqa: S608 - fixed text

# CROSS JOIN fixes the order: from the few that were reached, through the index, to their users.
_REACH = f"""
INSERT INTO temp.reached (artifact_id, via, via_standing)
SELECT l.artifact_id, w.artifact_id, w.standing
FROM temp.walk w CROSS JOIN artifact_lineage l ON l.input_artifact_id = w.artifact_id
WHERE w.depth = :depth AND l.artifact_id NOT IN (SELECT artifact_id FROM temp.walk WHERE standing <> 1)
AND NOT {_TAKES_ADOPTED_CALLS}
"""  # noqa: S608 - fixed text

_MEET = f"""
INSERT INTO temp.met (artifact_id, standing, is_definition)
SELECT a.artifact_id,
    CASE WHEN NOT {IS_REPLACED} THEN 0 WHEN {_IS_RENEWED} AND {_IS_PINNED} THEN 2 END,
    a.artifact_type = '{EXPERIMENT_DEFINITION.name}'
FROM (SELECT DISTINCT artifact_id FROM temp.reached) r CROSS JOIN artifacts a ON a.artifact_id = r.artifact_id
WHERE r.artifact_id NOT IN (SELECT artifact_id FROM temp.met)
"""  # noqa: S608 - fixed text

_END_WAYS = """
DELETE FROM temp.reached WHERE NOT EXISTS (
    SELECT 1 FROM temp.met m WHERE m.artifact_id = reached.artifact_id AND m.standing IS NOT NULL
    AND CASE reached.via_standing WHEN 0 THEN 1 WHEN 1 THEN NOT m.is_definition ELSE m.is_definition END
)
"""

# The latest publication that names inputs; none for what the earlier store wrote: its lineage counts.
_LATEST = """
INSERT OR IGNORE INTO temp.made (artifact_id, seq, ordinal, level)
SELECT r.artifact_id, p.seq, p.ordinal, :depth
FROM (SELECT DISTINCT artifact_id FROM temp.reached) r
CROSS JOIN publications p ON p.artifact_id = r.artifact_id AND (p.seq, p.ordinal) = (
    SELECT q.seq, q.ordinal FROM publications q
    WHERE q.artifact_id = r.artifact_id
    AND EXISTS (SELECT 1 FROM publication_inputs i WHERE i.seq = q.seq AND i.ordinal = q.ordinal)
    ORDER BY q.seq DESC, q.ordinal DESC LIMIT 1
)
"""


def _keys(publication: str) -> str:
    return (
        "SELECT a.artifact_type, a.logical_key FROM publication_inputs i"  # noqa: S608 - fixed text
        " JOIN artifacts a ON a.artifact_id = i.input_artifact_id"
        f" WHERE i.seq = {publication}.seq AND i.ordinal = {publication}.ordinal"
    )


def _has_replaced_input(publication: str) -> str:
    return f"EXISTS ({_keys(publication)} AND {IS_REPLACED})"


# An earlier publication from the current artifacts of the very same keys: the content is known to follow from these.
# CASE keeps SQLite from looking at all inputs of everything before it knows whether there is an earlier publication.
_KNOWN_TO_FOLLOW = f"""
UPDATE temp.made SET (seq, ordinal) = (known.seq, known.ordinal)
FROM (
    SELECT m.artifact_id, q.seq, q.ordinal,
        row_number() OVER (PARTITION BY m.artifact_id ORDER BY q.seq DESC, q.ordinal DESC) AS place
    FROM temp.made m
    CROSS JOIN publications q ON q.artifact_id = m.artifact_id AND (q.seq, q.ordinal) < (m.seq, m.ordinal)
    WHERE m.level = :depth AND CASE WHEN q.seq > 0 THEN {_has_replaced_input("m")} END
    AND NOT {_has_replaced_input("q")}
    AND NOT EXISTS ({_keys("m")} EXCEPT {_keys("q")}) AND NOT EXISTS ({_keys("q")} EXCEPT {_keys("m")})
) known
WHERE known.artifact_id = made.artifact_id AND known.place = 1
"""  # noqa: S608 - fixed text

_FORGET_FORMER_INPUTS = """
DELETE FROM temp.reached WHERE EXISTS (
    SELECT 1 FROM temp.made m WHERE m.artifact_id = reached.artifact_id AND NOT EXISTS (
        SELECT 1 FROM publication_inputs i
        WHERE i.seq = m.seq AND i.ordinal = m.ordinal AND i.input_artifact_id = reached.via
    )
)
"""

# Of several shortest ways the one through the smallest id, so that answers do not change.
_ARRIVE = """
INSERT INTO temp.walk (artifact_id, standing, via, via_standing, depth)
SELECT artifact_id, standing, via, via_standing, :depth + 1 FROM (
    SELECT r.*, m.standing, row_number() OVER (PARTITION BY r.artifact_id ORDER BY r.via, r.via_standing) AS place
    FROM temp.reached r CROSS JOIN temp.met m ON m.artifact_id = r.artifact_id
) WHERE place = 1
"""


def walk_from(connection: apsw.Connection, artifact_id: str) -> None:
    """Fill ``temp.walk`` with what is made from this artifact; the artifact itself is at depth 0."""
    connection.execute(_BEGIN)
    connection.execute("INSERT INTO temp.walk (artifact_id, standing, depth) VALUES (?, 0, 0)", (artifact_id,))
    _walk(connection)


def walk_from_replaced(connection: apsw.Connection) -> None:
    """Fill ``temp.walk`` with what is made from any replaced artifact; these themselves are at depth 0."""
    connection.execute(_BEGIN)
    for candidates in (
        "artifacts a WHERE a.status <> 'active'",
        "adoptions o CROSS JOIN artifacts a ON a.artifact_id = o.artifact_id WHERE NOT o.was_head"
        f" AND a.status = 'active' AND {IS_REPLACED}",
    ):
        connection.execute(
            "INSERT INTO temp.walk (artifact_id, standing, depth)"  # noqa: S608 - fixed text
            f" SELECT a.artifact_id, {_IS_RENEWED}, 0 FROM {candidates}"
        )
    _walk(connection)


def path_to_change(connection: apsw.Connection, artifact_id: str) -> list[str]:
    """Ids from this reached artifact along its inputs to the changed one, both included: a shortest path."""
    path: list[str] = []
    via: str | None = artifact_id
    standing: int = connection.execute("SELECT min(standing) FROM temp.walk WHERE artifact_id = ?", (artifact_id,)).get
    while via is not None:
        path.append(via)
        step = "SELECT via, via_standing FROM temp.walk WHERE artifact_id = ? AND standing = ?"
        ((via, standing),) = connection.execute(step, (via, standing))
    return path


def _walk(connection: apsw.Connection) -> None:
    depth = 0
    while True:
        level = {"depth": depth}
        connection.execute("DELETE FROM temp.reached")
        connection.execute(_REACH, level)
        connection.execute(_MEET)
        connection.execute(_END_WAYS)
        connection.execute(_LATEST, level)
        connection.execute(_KNOWN_TO_FOLLOW, level)
        connection.execute(_FORGET_FORMER_INPUTS)
        connection.execute(_ARRIVE, level)
        if not connection.changes():
            return
        depth += 1
