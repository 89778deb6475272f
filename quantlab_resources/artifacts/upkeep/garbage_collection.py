"""Garbage collection: the bytes of superseded and withdrawn artifacts from which nothing in use was made are given up.

In use is every active artifact, every definition and output of an experiment that the journal knows, and everything
that these were made from, directly, through others or as a member of a set. What was adopted is never collected. Row,
sidecar and lineage stay, and publishing the same content again brings the bytes back.

The order is safe to be killed in: first the rows and their event, in one transaction, then the files. Whatever is still
there after a kill belongs to the last of these transactions; the next collection removes it, and until then a
verification is clean and the bytes can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import apsw

from quantlab_core.artifacts.artifact_files import RAW_FILES
from quantlab_core.artifacts.artifact_types import RAW_FILE
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.errors import StorageError
from quantlab_core.experiments.artifact_types import EXPERIMENT_DEFINITION
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.changes.collection import record_collection
from quantlab_resources.artifacts.files.file_names import raw_file_name
from quantlab_resources.artifacts.upkeep.artifact_check import artifacts_of_raw_file
from quantlab_resources.artifacts.writers_lock import cleaning_up

BATCH_ARTIFACTS = 5_000
"""Artifacts of one transaction and its event file: bounds the memory of a collection."""

# Only what is not active has to be looked at: a path from an active artifact to one that is not leaves the active ones
# at an edge that `in_use` begins with. So the cost follows the number of replaced artifacts, not the size of the lake.
_GARBAGE = """
WITH RECURSIVE
of_experiments (artifact_id) AS (
    SELECT j.value FROM experiment_journal e, json_each(e.outputs) j
    UNION SELECT artifact_id FROM artifacts WHERE artifact_type = :definition
),
in_use (artifact_id) AS (
    SELECT a.artifact_id FROM artifacts a
    WHERE a.status <> 'active' AND (
        a.artifact_id IN of_experiments
        OR EXISTS (SELECT 1 FROM artifact_heads h WHERE h.artifact_id = a.artifact_id)
        OR EXISTS (
            SELECT 1 FROM artifact_lineage l CROSS JOIN artifacts u ON u.artifact_id = l.artifact_id
            WHERE l.input_artifact_id = a.artifact_id AND u.status = 'active'
        )
    )
    UNION
    SELECT l.input_artifact_id FROM in_use n
    CROSS JOIN artifact_lineage l ON l.artifact_id = n.artifact_id
    CROSS JOIN artifacts i ON i.artifact_id = l.input_artifact_id
    WHERE i.status <> 'active'
)
SELECT a.artifact_id, a.artifact_type, a.logical_key, a.path_parquet, coalesce(a.byte_size, 0) FROM artifacts a
WHERE a.status <> 'active' AND a.published_seq IS NOT NULL
AND a.artifact_id NOT IN in_use
AND a.artifact_id NOT IN (SELECT artifact_id FROM adoptions)
AND a.artifact_id NOT IN (SELECT artifact_id FROM collections)
AND (:before IS NULL OR max(
    a.created_at,
    coalesce((SELECT t.at FROM tombstones t WHERE t.artifact_id = a.artifact_id), ''),
    coalesce((
        SELECT max(c.at) FROM head_changes c WHERE c.artifact_type = a.artifact_type
        AND c.logical_key = a.logical_key AND c.old_artifact_id = a.artifact_id
    ), '')
) <= :before)
ORDER BY a.rowid LIMIT :limit
"""

# An interrupted collection can have left files of its last transaction only. What is active was published again: where
# the event that says so is lost, its row here may still be there.
_LAST_COLLECTED = """
SELECT a.artifact_id, a.artifact_type, a.logical_key, a.path_parquet, 0
FROM collections c JOIN artifacts a ON a.artifact_id = c.artifact_id
WHERE c.seq = (SELECT max(seq) FROM collections) AND a.status <> 'active' ORDER BY a.rowid
"""


@dataclass(frozen=True, slots=True)
class CollectedType:
    """How many artifacts of one type are, or would be, collected, and their bytes on disk (raw files included)."""

    artifact_type: str
    artifacts: int
    byte_size: int


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What was collected, or would be (not ``is_applied``), by type. ``leftovers`` counts files of an interrupted run
    that were removed too."""

    is_applied: bool
    types: tuple[CollectedType, ...]
    leftovers: int

    @property
    def artifacts(self) -> int:
        """Artifacts of all types."""
        return sum(of_type.artifacts for of_type in self.types)

    @property
    def byte_size(self) -> int:
        """Bytes of all types."""
        return sum(of_type.byte_size for of_type in self.types)


def find_garbage(store: ParquetArtifactStore, *, older_than: timedelta | None = None) -> CollectionReport:
    """What `collect_garbage` would collect; nothing is changed. Raises LakeNotFoundError."""
    tally = _Tally()
    raw: dict[str, str] = {}
    with store.manifest.reading() as connection:
        for piece in _garbage(store, connection, older_than, limit=-1):
            tally.add(piece)
            if piece.sha256 is not None:
                raw[piece.artifact_id] = piece.sha256
        given_up = {sha for sha in raw.values() if raw.keys() >= set(artifacts_of_raw_file(connection, sha))}
    tally.add_raw_bytes(_raw_sizes(store, given_up).values())
    return CollectionReport(False, tally.types(), 0)


def collect_garbage(
    store: ParquetArtifactStore,
    *,
    older_than: timedelta | None = None,
    wait_s: float = 30.0,
    progress: Callable[[int, int], None] | None = None,
) -> CollectionReport:
    """Collect the bytes of everything that is not in use and was replaced or withdrawn at least ``older_than`` ago.

    Waits up to ``wait_s`` seconds until nobody publishes, and keeps publishers waiting until it is done. ``progress``
    is told (done, total) artifacts. Raises StorageError when publishers stay busy or the disk refuses (repeat it then),
    LakeNotFoundError.
    """
    total = find_garbage(store, older_than=older_than).artifacts
    tally = _Tally()
    with _alone(store, wait_s):
        with store.manifest.reading() as connection:
            interrupted = [_piece(row) for row in connection.execute(_LAST_COLLECTED)]
        leftovers = _remove_files(store, interrupted, _Tally())
        while batch := _give_up(store, older_than):
            _remove_files(store, batch, tally)
            if progress is not None:
                done = tally.artifacts()
                progress(done, max(done, total))
    return CollectionReport(True, tally.types(), leftovers)


@dataclass(frozen=True, slots=True)
class _Piece:
    """An artifact to be collected, with the hash of its raw file if it is one's."""

    artifact_id: str
    artifact_type: str
    name: str
    byte_size: int
    sha256: str | None


@dataclass(slots=True)
class _Tally:
    """Artifacts and bytes by type, counted up."""

    counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, piece: _Piece) -> None:
        artifacts, byte_size = self.counts.get(piece.artifact_type, (0, 0))
        self.counts[piece.artifact_type] = (artifacts + 1, byte_size + piece.byte_size)

    def add_raw_bytes(self, sizes: Iterable[int]) -> None:
        if RAW_FILE.name in self.counts:
            artifacts, byte_size = self.counts[RAW_FILE.name]
            self.counts[RAW_FILE.name] = (artifacts, byte_size + sum(sizes))

    def artifacts(self) -> int:
        return sum(artifacts for artifacts, _ in self.counts.values())

    def types(self) -> tuple[CollectedType, ...]:
        return tuple(CollectedType(name, *self.counts[name]) for name in sorted(self.counts))


@contextmanager
def _alone(store: ParquetArtifactStore, wait_s: float) -> Iterator[None]:
    lock: AbstractContextManager[bool] = cleaning_up(store.paths, wait_s=wait_s)
    with lock as is_alone:
        if not is_alone:
            raise StorageError(f"{store.paths.writers_lock}: others are publishing; nothing was collected, try later")
        yield


def _garbage(
    store: ParquetArtifactStore, connection: apsw.Connection, older_than: timedelta | None, *, limit: int
) -> Iterator[_Piece]:
    before = None if older_than is None else format_timestamp(store.clock.now() - older_than)
    values = {"definition": EXPERIMENT_DEFINITION.name, "before": before, "limit": limit}
    for row in connection.execute(_GARBAGE, values):
        yield _piece(row)


def _piece(row: tuple[str, str, str, str, int]) -> _Piece:
    artifact_id, artifact_type, logical_key, name, byte_size = row
    sha256 = parse_key(RAW_FILE, logical_key)["sha256"] if artifact_type == RAW_FILE.name else None
    return _Piece(artifact_id, artifact_type, name, byte_size, sha256)


def _give_up(store: ParquetArtifactStore, older_than: timedelta | None) -> list[_Piece]:
    """Record the next batch as collected. It is chosen under the write lock: the journal can have grown meanwhile."""
    with store.manifest.writing() as transaction:
        batch = list(_garbage(store, transaction.connection, older_than, limit=BATCH_ARTIFACTS))
        if batch:
            record_collection(transaction, [piece.artifact_id for piece in batch])
    return batch


def _remove_files(store: ParquetArtifactStore, batch: list[_Piece], tally: _Tally) -> int:
    """Remove the files of a recorded batch durably; how many there were. Raw bytes go with the last that has them."""
    for piece in batch:
        tally.add(piece)
    with store.manifest.reading() as connection:
        given_up = {
            piece.sha256
            for piece in batch
            if piece.sha256 is not None and not artifacts_of_raw_file(connection, piece.sha256)
        }
    tally.add_raw_bytes(_raw_sizes(store, given_up).values())
    names = [piece.name for piece in batch] + [raw_file_name(sha256) for sha256 in sorted(given_up)]
    removed = [name for name in names if store.files.remove(name)]
    store.files.make_durable(removed)
    return len(removed)


def _raw_sizes(store: ParquetArtifactStore, wanted: set[str]) -> dict[str, int]:
    """Sizes of raw files by name, of those that are wanted and there."""
    if not wanted:
        return {}
    names = {raw_file_name(sha256) for sha256 in wanted}
    return {file.name: file.byte_size for file in store.files.list_files(RAW_FILES) if file.name in names}
