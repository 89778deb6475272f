"""Questions to the manifest. Every function takes an open connection and returns domain values with stored paths."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Artifact, ArtifactFilter, ArtifactList, ArtifactStatus, LineageEdge
from quantlab_core.artifacts.timestamp_text import earliest_timestamp, latest_timestamp
from quantlab_core.errors import ArtifactNotFoundError

_FIELDS = (
    "artifact_id, artifact_type, schema_version, logical_key, status, path_parquet, path_sidecar,"
    " file_hash, content_hash, row_count, created_at, min_ts, max_ts"
)
ARTIFACT_COLUMNS = ", ".join(f"a.{name.strip()}" for name in _FIELDS.split(","))
_NEWEST_FIRST = "ORDER BY a.created_at DESC, a.published_seq DESC, a.artifact_id"
# From so many on, a tag is frequent, and a list of superseded or withdrawn artifacts does not start from it.
_MANY = 1_000
_STATUSES = {status.value: status for status in ArtifactStatus}
_SET = "artifact_set"
"""`quantlab_core.artifacts.artifact_types.ARTIFACT_SET`, whose module would load Arrow."""
_LARGEST_CODE_POINT = "\U0010ffff"

_INPUTS = (
    "SELECT l.artifact_id, l.input_artifact_id FROM json_each(?) j"
    " CROSS JOIN artifact_lineage l ON l.artifact_id = j.value"
)
_USERS = (
    "SELECT l.input_artifact_id, l.artifact_id FROM json_each(?) j"
    " CROSS JOIN artifact_lineage l ON l.input_artifact_id = j.value"
)


def artifact_of(row: Sequence[Any]) -> Artifact:
    """The artifact in a row of `ARTIFACT_COLUMNS`."""
    artifact_id, type_, version, key, status, *rest = row
    return Artifact(artifact_id, type_, version, key, _STATUSES[status], *rest)


def find(connection: apsw.Connection, artifact_id: str) -> Artifact | None:
    """The artifact with this id, or None."""
    row = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a WHERE a.artifact_id = ?",  # noqa: S608
        (artifact_id,),
    ).fetchone()
    return None if row is None else artifact_of(row)


def get(connection: apsw.Connection, artifact_id: str) -> Artifact:
    """The artifact with this id. Raises ArtifactNotFoundError."""
    artifact = find(connection, artifact_id)
    if artifact is None:
        raise ArtifactNotFoundError(
            f"artifact not found: {artifact_id[:100]!r}; `quantlab artifacts list` shows what there is"
        )
    return artifact


def get_many(connection: apsw.Connection, artifact_ids: Sequence[str]) -> list[Artifact | None]:
    """The artifacts with these ids in the same order; None where an id is unknown."""
    rows = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a WHERE a.artifact_id IN (SELECT value FROM json_each(?))",  # noqa: S608
        (json.dumps(list(artifact_ids)),),
    )
    found = {row[0]: artifact_of(row) for row in rows}
    return [found.get(artifact_id) for artifact_id in artifact_ids]


def stored_bytes(connection: apsw.Connection, artifact_ids: Sequence[str]) -> int:
    """How many bytes the Parquet files of these artifacts have together; what the earlier store did not note is 0."""
    query = "SELECT coalesce(sum(byte_size), 0) FROM artifacts WHERE artifact_id IN (SELECT value FROM json_each(?))"
    return int(connection.execute(query, (json.dumps(list(artifact_ids)),)).get)


def unknown_ids(connection: apsw.Connection, artifact_ids: Sequence[str]) -> list[str]:
    """Those of the ids that no artifact has."""
    if not artifact_ids:
        return []
    rows = connection.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT artifact_id FROM artifacts)",
        (json.dumps(list(artifact_ids)),),
    )
    return [row[0] for row in rows]


def find_content(
    connection: apsw.Connection, artifact_type: str, schema_version: int, logical_key: str, content_hash: str
) -> Artifact | None:
    """The artifact that holds this content under this key; an active one before others."""
    # Two look-ups by index: with OR, all versions of the key would be read.
    row = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a WHERE a.artifact_id IN ("  # noqa: S608
        "SELECT artifact_id FROM artifacts WHERE artifact_type = ?1 AND logical_key = ?2 AND content_hash = ?4"
        " UNION ALL"
        " SELECT artifact_id FROM artifacts WHERE artifact_type = ?1 AND logical_key = ?2 AND qlh1_hash = ?4"
        ") AND a.schema_version = ?3 ORDER BY a.status <> 'active', +a.created_at LIMIT 1",
        (artifact_type, logical_key, schema_version, content_hash),
    ).fetchone()
    return None if row is None else artifact_of(row)


def list_artifacts(connection: apsw.Connection, filter: ArtifactFilter) -> ArtifactList:
    """Matching artifacts, newest first, and whether the limit cut the list. Raises InvalidInputError for a bad time."""
    conditions: list[str] = []
    values: list[Any] = []

    def require(condition: str, *bindings: Any) -> None:
        conditions.append(condition)
        values.extend(bindings)

    through, rest = _listed_through(connection, filter)
    if len(rest) < len(filter.tags):
        require("t.k = ? AND t.v = ?", *next(tag for tag in filter.tags.items() if tag not in rest))
        if filter.artifact_type is not None:
            require("t.artifact_type = ?", filter.artifact_type)
    if filter.artifact_type is not None:
        require("a.artifact_type = ?", filter.artifact_type)
    if filter.status is not None:
        require("a.status = ?", ArtifactStatus(filter.status).value)
        if filter.status is not ArtifactStatus.ACTIVE:
            require("a.status <> 'active'")  # what the partial index says of its rows
    by = "t" if len(rest) < len(filter.tags) else "a"
    if filter.min_created_at is not None:
        require(f"{by}.created_at >= ?", earliest_timestamp(filter.min_created_at))
    if filter.max_created_at is not None:
        require(f"{by}.created_at <= ?", latest_timestamp(filter.max_created_at))
    for key, value in rest:
        require(
            "EXISTS (SELECT 1 FROM artifact_tags t WHERE t.artifact_id = a.artifact_id AND t.k = ? AND t.v = ?)",
            key,
            value,
        )
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = -1 if filter.limit is None else filter.limit + 1
    rows = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM {through} {where}"  # noqa: S608
        f" ORDER BY {by}.created_at DESC, a.published_seq DESC, a.artifact_id LIMIT ?",
        (*values, limit),
    )
    artifacts = [artifact_of(row) for row in rows]
    is_cut = filter.limit is not None and len(artifacts) > filter.limit
    return ArtifactList(tuple(artifacts[: filter.limit]) if is_cut else tuple(artifacts), is_cut)


def _listed_through(connection: apsw.Connection, filter: ArtifactFilter) -> tuple[str, list[tuple[str, str]]]:
    """The way to the rows, and the tags that it leaves to be checked.

    Said here, because SQLite without statistics reads and sorts whole types to give 100 rows.
    """
    is_rare = filter.status not in (None, ArtifactStatus.ACTIVE)
    if filter.tags:
        by_number = sorted((_number_tagged(connection, *tag), *tag) for tag in filter.tags.items())
        number, *_ = by_number[0]
        if number < _MANY or not is_rare:
            index = "INDEXED BY idx_tagged_created" if filter.artifact_type is None else "NOT INDEXED"
            through = f"tagged t {index} CROSS JOIN artifacts a ON a.artifact_id = t.artifact_id"
            return through, [(key, value) for _, key, value in by_number[1:]]
    if filter.artifact_type is None:
        index = "idx_artifacts_replaced" if is_rare else "idx_artifacts_created"
    else:
        index = "idx_artifacts_type_created" if filter.status is None else "idx_artifacts_type_status_created"
    return f"artifacts a INDEXED BY {index}", list(filter.tags.items())


def _number_tagged(connection: apsw.Connection, key: str, value: str) -> int:
    """How many artifacts have the tag; not counted beyond `_MANY`."""
    query = "SELECT count(*) FROM (SELECT 1 FROM tagged NOT INDEXED WHERE k = ? AND v = ? LIMIT ?)"
    return int(connection.execute(query, (key, value, _MANY)).get)


def find_by_logical_key(connection: apsw.Connection, artifact_type: str, logical_key: str) -> list[Artifact]:
    """Every artifact ever published under this key, newest first."""
    rows = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a INDEXED BY idx_artifacts_type_key"  # noqa: S608
        f" WHERE a.artifact_type = ? AND a.logical_key = ? {_NEWEST_FIRST}",
        (artifact_type, logical_key),
    )
    return [artifact_of(row) for row in rows]


def heads(connection: apsw.Connection, artifact_type: str, key_prefix: str) -> list[Artifact]:
    """The active head of every key of this type that starts with ``key_prefix``, sorted by key."""
    rows = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifact_heads h JOIN artifacts a ON a.artifact_id = h.artifact_id"  # noqa: S608
        " WHERE h.artifact_type = ? AND h.logical_key >= ? AND h.logical_key < ? ORDER BY h.logical_key",
        (artifact_type, key_prefix, key_prefix + _LARGEST_CODE_POINT),
    )
    return [artifact_of(row) for row in rows]


def adopted(connection: apsw.Connection, artifact_type: str, key_prefix: str) -> list[Artifact]:
    """Adopted artifacts that were heads then and are not withdrawn, with keys of this prefix, sorted by key."""
    rows = connection.execute(
        f"SELECT {ARTIFACT_COLUMNS} FROM artifacts a JOIN adoptions d ON d.artifact_id = a.artifact_id"  # noqa: S608
        " WHERE d.was_head AND a.artifact_type = ? AND a.logical_key >= ? AND a.logical_key < ?"
        " AND a.status <> 'tombstoned' ORDER BY a.logical_key",
        (artifact_type, key_prefix, key_prefix + _LARGEST_CODE_POINT),
    )
    return [artifact_of(row) for row in rows]


def head_of(connection: apsw.Connection, artifact_type: str, logical_key: str) -> str | None:
    """Id of the key's active head, or None."""
    row = connection.execute(
        "SELECT artifact_id FROM artifact_heads WHERE artifact_type = ? AND logical_key = ?",
        (artifact_type, logical_key),
    ).fetchone()
    return None if row is None else str(row[0])


def lineage(
    connection: apsw.Connection, artifact_id: str, depth: int | None
) -> tuple[list[Artifact], list[LineageEdge]]:
    """What the artifact was made from, nearest first, and the edges on the way."""
    edges: list[LineageEdge] = []
    found = _walk(
        connection, artifact_id, depth, _INPUTS, lambda user, input_, at: edges.append(LineageEdge(user, input_, at))
    )
    edges.sort(key=lambda edge: (edge.depth, edge.artifact_id, edge.input_artifact_id))
    return found, edges


def downstream(connection: apsw.Connection, artifact_id: str, depth: int | None) -> list[Artifact]:
    """What was made from the artifact, nearest first."""
    return _walk(connection, artifact_id, depth, _USERS, lambda *_: None)


def _walk(
    connection: apsw.Connection, start: str, depth: int | None, neighbours: str, note: Callable[[str, str, int], object]
) -> list[Artifact]:
    """Everything within ``depth`` steps of ``start``, nearest first; each edge is noted with its depth.

    A set stands for its members: leaving a set costs no depth, except where the question starts. One level at a time,
    each row read once, so that the time is that of the answer. A cycle in rows that others wrote ends at what is known.
    """
    found: dict[str, tuple[int, Artifact]] = {}
    waiting, at = [start], 0
    while waiting and (depth is None or at < depth):
        at += 1
        leaving, waiting = waiting, []
        while leaving:
            reached: set[str] = set()
            for left, right in connection.execute(neighbours, (json.dumps(leaving),)):
                note(left, right, at)
                if right not in found and right != start:
                    reached.add(right)
            leaving = []
            for artifact in get_many(connection, list(reached)):
                if artifact is not None:
                    found[artifact.artifact_id] = (at, artifact)
                    is_set = artifact.artifact_type == _SET
                    (leaving if is_set else waiting).append(artifact.artifact_id)
    nearest = sorted((at, a.artifact_type, a.logical_key, a.artifact_id) for at, a in found.values())
    return [found[artifact_id][1] for *_, artifact_id in nearest]


def is_upstream(connection: apsw.Connection, artifact_id: str, of_ids: Collection[str]) -> bool:
    """Whether any of ``of_ids`` is the artifact or was made from it, at any distance.

    Walks up, and only where something was made from the artifact at all: upstream lies less than downstream.
    """
    if artifact_id in of_ids:
        return True
    used = connection.execute(
        "SELECT 1 FROM artifact_lineage WHERE input_artifact_id = ? LIMIT 1", (artifact_id,)
    ).fetchone()
    if used is None:
        return False
    row = connection.execute(
        "WITH RECURSIVE up (id) AS (SELECT value FROM json_each(?1) UNION SELECT l.input_artifact_id FROM up"
        " JOIN artifact_lineage l ON l.artifact_id = up.id) SELECT 1 FROM up WHERE id = ?2 LIMIT 1",
        (json.dumps(list(of_ids)), artifact_id),
    ).fetchone()
    return row is not None


def descendants(connection: apsw.Connection, artifact_id: str) -> set[str]:
    """Ids of everything that was made from the artifact, at any distance."""
    rows = connection.execute(
        "WITH RECURSIVE walk (artifact_id) AS (SELECT ?1 UNION SELECT l.artifact_id FROM walk w"
        " JOIN artifact_lineage l ON l.input_artifact_id = w.artifact_id)"
        " SELECT artifact_id FROM walk WHERE artifact_id <> ?1",
        (artifact_id,),
    )
    return {row[0] for row in rows}


def direct_inputs(connection: apsw.Connection, artifact_id: str) -> list[str]:
    """Ids of the artifacts that this one was made from."""
    rows = connection.execute(
        "SELECT input_artifact_id FROM artifact_lineage WHERE artifact_id = ? ORDER BY input_artifact_id",
        (artifact_id,),
    )
    return [row[0] for row in rows]


def tags(connection: apsw.Connection, artifact_id: str) -> list[tuple[str, str]]:
    """Names and values of the artifact's tags, sorted; a name may have several values."""
    rows = connection.execute("SELECT k, v FROM artifact_tags WHERE artifact_id = ? ORDER BY k, v", (artifact_id,))
    return [(row[0], row[1]) for row in rows]


def supersedes_transitively(connection: apsw.Connection, newer_id: str, older_id: str) -> bool:
    """Whether ``newer_id`` took the place of ``older_id``, directly or through others."""
    row = connection.execute(
        "WITH RECURSIVE chain (id) AS (SELECT ?1 UNION SELECT s.supersedes_artifact_id FROM chain"
        " JOIN artifact_supersedes s ON s.artifact_id = chain.id) SELECT 1 FROM chain WHERE id = ?2",
        (newer_id, older_id),
    ).fetchone()
    return row is not None
