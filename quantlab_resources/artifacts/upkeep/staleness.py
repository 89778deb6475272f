"""Staleness: what was made from artifacts that are no longer current, and why.

**Replaced** is an artifact that is not what an input should be any more:

- it was withdrawn (tombstoned), or
- it is superseded: another is the head of its key, or took its place by hand, or
- it is one of several active artifacts that the earlier store had under one key, and another is the head.

**Made from**: what an artifact was made from is what its latest publication names. Lineage remembers all inputs that
ever gave this content, publications tell when. So content that was published again from newer inputs is not stale any
more, although the old edge stays. Publications that name no inputs say nothing; adopted artifacts that were never
published here have the lineage of the earlier store. One thing more is known: if an earlier publication was made
from current artifacts of exactly the same keys, the content follows from them, and that publication counts (the head
of an input went A, B, A again).

**Stale** is an active artifact that was made from a replaced one, directly or through others that are not replaced
themselves. Replaced artifacts are history and are not listed; raw files are made from nothing. An experiment is stale
when its definition or one of its outputs is stale or replaced.

**Frozen sets** pass staleness on: a set is stale when one of its members is replaced, and with it all that was made
from the set. An experiment pins its sets, so there a set stands for its members: a newer set of the same key makes no
experiment stale, else every new day of alerts would. A replaced member does, and so does a withdrawn set.

    raw ─ messages ─ events ─ alerts(1 May) ─┬─ set ─ definition ─ trades      alerts(1 May) is superseded:
                              alerts(2 May) ─┘                                 stale: set 1, definition 2, trades 3

Adopted alerts and events stay inputs of their day's `alert_events` when alerts made from these take their place: what
the earlier store held is fixed, and only its withdrawal makes the events stale.

Staleness is about inputs only; a newer version of the code makes nothing stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import apsw

from quantlab_core.artifacts.artifact import Artifact, ArtifactStatus
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.errors import LogicalKeyError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.manifest import manifest_queries
from quantlab_resources.artifacts.manifest.made_from_walk import path_to_change, walk_from, walk_from_replaced


@dataclass(frozen=True, slots=True)
class Affected:
    """An artifact and the shortest path from it, along what it was made from, to the changed one; both included."""

    artifact: Artifact
    path: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True)
class AffectedExperiment:
    """An experiment at its present status. ``path`` begins at its definition or at one of its outputs."""

    experiment_id: str
    status: ExperimentStatus
    path: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True)
class Replacement:
    """Why an artifact is replaced. ``replaced_by`` is None for a withdrawn one; ``since`` is UTC text, None where the
    earlier store did not record it."""

    artifact: Artifact
    replaced_by: Artifact | None
    since: str | None
    reason: str

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was withdrawn rather than superseded."""
        return self.artifact.status is ArtifactStatus.TOMBSTONED


@dataclass(frozen=True, slots=True)
class Reached:
    """What changes reach, nearest first. Counts include what a limit cut off."""

    artifacts: tuple[Affected, ...]
    experiments: tuple[AffectedExperiment, ...]
    artifact_count: int
    experiment_count: int

    @property
    def is_cut(self) -> bool:
        """Whether the limit left something out."""
        return len(self.artifacts) < self.artifact_count or len(self.experiments) < self.experiment_count


@dataclass(frozen=True, slots=True)
class Impact(Reached):
    """What would become stale, or is stale, because of one artifact."""

    changed: Artifact


@dataclass(frozen=True, slots=True)
class StaleReport(Reached):
    """What is stale, and why: ``causes`` has the last artifact of every path, by id."""

    causes: Mapping[str, Replacement]


@dataclass(frozen=True, slots=True)
class StaleCounts:
    """How many artifacts of each type are stale, and how many experiments."""

    artifacts: Mapping[str, int]
    experiments: int


def impact(store: ParquetArtifactStore, artifact_id: str, *, limit: int | None = None) -> Impact:
    """What becomes stale when this artifact is withdrawn, or replaced by content that nothing was made from yet.

    For a set that is its withdrawal: a newer set of its key leaves the experiments that pinned it as they are.
    At most ``limit`` artifacts and as many experiments. Raises ArtifactNotFoundError.
    """
    with store.manifest.reading() as connection:
        changed = manifest_queries.get(connection, artifact_id)
        walk_from(connection, artifact_id)
        answer = _Answer(store, connection)
        artifacts = tuple(answer.artifacts(None, limit))
        experiments = tuple(answer.experiments(limit))
        return Impact(
            artifacts=artifacts,
            experiments=experiments,
            artifact_count=answer.artifact_count(None),
            experiment_count=answer.experiment_count(),
            changed=answer.located(changed),
        )


def stale(store: ParquetArtifactStore, *, artifact_type: str | None = None, limit: int | None = None) -> StaleReport:
    """What is stale now. With ``artifact_type``, artifacts of this type only, and no experiments.

    At most ``limit`` artifacts and as many experiments.
    """
    with store.manifest.reading() as connection:
        walk_from_replaced(connection)
        answer = _Answer(store, connection)
        artifacts = tuple(answer.artifacts(artifact_type, limit))
        experiments = () if artifact_type else tuple(answer.experiments(limit))
        paths = [*(item.path for item in artifacts), *(item.path for item in experiments)]
        ends = {path[-1].artifact_id: path[-1] for path in paths}
        return StaleReport(
            artifacts=artifacts,
            experiments=experiments,
            artifact_count=answer.artifact_count(artifact_type),
            experiment_count=0 if artifact_type else answer.experiment_count(),
            causes={artifact_id: answer.replacement(artifact) for artifact_id, artifact in ends.items()},
        )


def stale_counts(store: ParquetArtifactStore) -> StaleCounts:
    """How much is stale, by type of artifact."""
    with store.manifest.reading() as connection:
        walk_from_replaced(connection)
        rows = connection.execute(
            f"SELECT a.artifact_type, count(*) {_STALE} GROUP BY a.artifact_type ORDER BY a.artifact_type"
        )
        return StaleCounts(dict(rows), _Answer(store, connection).experiment_count())


# What lies between is not listed: superseded sets carry staleness to what was made from them.
_STALE = "FROM temp.walk w JOIN artifacts a ON a.artifact_id = w.artifact_id WHERE w.depth > 0 AND a.status = 'active'"

_EXPERIMENTS = f"""
DROP TABLE IF EXISTS temp.entrance;
DROP TABLE IF EXISTS temp.latest;
CREATE TEMP TABLE entrance (experiment_id TEXT, status TEXT, artifact_id TEXT, depth INTEGER);
CREATE TEMP TABLE latest (experiment_id TEXT PRIMARY KEY, status TEXT, outputs TEXT) WITHOUT ROWID;
INSERT INTO temp.latest SELECT experiment_id, status, outputs FROM experiment_journal
WHERE seq IN (SELECT max(seq) FROM experiment_journal GROUP BY experiment_id);
WITH concerned AS (
    SELECT j.experiment_id, j.status, w.artifact_id, w.depth
    FROM temp.walk w CROSS JOIN artifacts a ON a.artifact_id = w.artifact_id
    CROSS JOIN temp.latest j ON j.experiment_id = experiment_of(a.logical_key)
    WHERE a.artifact_type = '{EXPERIMENT_DEFINITION.name}' AND a.status <> 'superseded'
    UNION
    SELECT j.experiment_id, j.status, w.artifact_id, w.depth
    FROM temp.latest j, json_each(j.outputs) o CROSS JOIN temp.walk w ON w.artifact_id = o.value
)
INSERT INTO temp.entrance
SELECT experiment_id, status, artifact_id, depth FROM (
    SELECT *, row_number() OVER (PARTITION BY experiment_id ORDER BY depth, artifact_id) AS place FROM concerned
) WHERE place = 1;
"""  # noqa: S608 - fixed text


class _Answer:
    """Reads the finished walk of one question."""

    def __init__(self, store: ParquetArtifactStore, connection: apsw.Connection) -> None:
        self._store = store
        self._connection = connection
        self._known: dict[str, Artifact] = {}
        connection.create_scalar_function("experiment_of", _experiment_of, 1, deterministic=True)
        connection.execute(_EXPERIMENTS)

    def artifacts(self, artifact_type: str | None, limit: int | None) -> Iterator[Affected]:
        rows = self._connection.execute(
            f"SELECT a.artifact_id {_STALE} AND (?1 IS NULL OR a.artifact_type = ?1)"
            " ORDER BY w.depth, a.artifact_type, a.logical_key, a.artifact_id LIMIT ?2",
            (artifact_type, -1 if limit is None else limit),
        )
        for (artifact_id,) in rows:
            path = self._path(artifact_id)
            yield Affected(path[0], path)

    def artifact_count(self, artifact_type: str | None) -> int:
        return int(
            self._connection.execute(
                f"SELECT count(*) {_STALE} AND (?1 IS NULL OR a.artifact_type = ?1)",
                (artifact_type,),
            ).get
        )

    def experiments(self, limit: int | None) -> Iterator[AffectedExperiment]:
        rows = self._connection.execute(
            "SELECT experiment_id, status, artifact_id FROM temp.entrance ORDER BY depth, experiment_id LIMIT ?",
            (-1 if limit is None else limit,),
        )
        for experiment_id, status, artifact_id in rows:
            yield AffectedExperiment(experiment_id, ExperimentStatus(status), self._path(artifact_id))

    def experiment_count(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM temp.entrance").get)

    def located(self, artifact: Artifact) -> Artifact:
        return self._store.located(artifact)

    def replacement(self, artifact: Artifact) -> Replacement:
        if artifact.status is ArtifactStatus.TOMBSTONED:
            withdrawn = self._first("SELECT reason, at FROM tombstones WHERE artifact_id = ?", artifact.artifact_id)
            reason, since = withdrawn or ("withdrawn in the earlier store", None)
            return Replacement(artifact, None, since, reason)
        recorded = self._first(
            "SELECT new_artifact_id, reason, at FROM head_changes"
            " WHERE artifact_type = ? AND logical_key = ? AND old_artifact_id = ?"
            " ORDER BY seq DESC, ordinal DESC LIMIT 1",
            artifact.artifact_type,
            artifact.logical_key,
            artifact.artifact_id,
        )
        new, reason, since = recorded or self._replacement_before_adoption(artifact)
        return Replacement(artifact, None if new is None else self._artifact(new), since, reason)

    def _replacement_before_adoption(self, artifact: Artifact) -> tuple[str | None, str, str | None]:
        successor = self._first(
            "SELECT artifact_id FROM artifact_supersedes WHERE supersedes_artifact_id = ? ORDER BY artifact_id LIMIT 1",
            artifact.artifact_id,
        )
        if successor is not None:
            return successor[0], "superseded in the earlier store", None
        head = manifest_queries.head_of(self._connection, artifact.artifact_type, artifact.logical_key)
        if artifact.status is ArtifactStatus.SUPERSEDED:
            return head, "superseded in the earlier store", None
        return head, "one of several active artifacts of its key in the earlier store; the newest is the head", None

    def _path(self, artifact_id: str) -> tuple[Artifact, ...]:
        return tuple(map(self._artifact, path_to_change(self._connection, artifact_id)))

    def _artifact(self, artifact_id: str) -> Artifact:
        if artifact_id not in self._known:
            self._known[artifact_id] = self.located(manifest_queries.get(self._connection, artifact_id))
        return self._known[artifact_id]

    def _first(self, query: str, *values: str) -> tuple[Any, ...] | None:
        return self._connection.execute(query, values).fetchone()


def _experiment_of(*logical_key: Any) -> str | None:
    """The experiment that a definition's key names; None for a key that others wrote in their own way."""
    try:
        return parse_key(EXPERIMENT_DEFINITION, str(logical_key[0]))["experiment"]
    except LogicalKeyError:
        return None
