"""The second kind of projection: the candles of a frozen set as one mapped file in the cache.

A pack is a function of the set's content alone, so its name is the content hash, lakes may share it, and it is never
stale. It is built when an experiment needs it and is not there whole; deleting it loses nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.errors import StorageError
from quantlab_core.projections.projection_builder import ProjectionResult, ProjectionState, ProjectionTable
from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.token import Token
from quantlab_resources.advisory_lock import locked, locked_unless_held
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.artifacts.files.durable_files import make_directory, storage_errors
from quantlab_resources.projections.candle_pack_file import MappedPack, facts_of_pack, mapped_pack, writing_pack
from quantlab_resources.projections.candle_pack_paths import PREFIX, SUFFIX, index_paths, lock_path, pack_path
from quantlab_resources.projections.member_candles import (
    ByToken,
    candles_by_token,
    check_sources,
    members_by_token,
    sources_of,
)


class CandlePackFiles:
    """The packs in one cache folder. Implements `quantlab_core.projections.candle_packs.CandlePacks`.

    One process builds a pack at a time, others wait and use it. Whoever has a pack open keeps it, whatever becomes of
    the file.
    """

    def __init__(self, store: ParquetArtifactStore, cache_dir: Path) -> None:
        self._store = store
        self._cache_dir = cache_dir

    def of_set(self, candle_set: Artifact, members: Sequence[Artifact]) -> CandlePack:
        """The pack of a frozen set with these members; see the port. Counts as a use of it."""
        by_token = members_by_token(members)
        path = pack_path(self._cache_dir, candle_set.content_hash)
        mapped = self._found(path, candle_set, by_token)
        if mapped is None:
            with locked(lock_path(path)):
                mapped = self._found(path, candle_set, by_token)  # another may have built it meanwhile
                if mapped is None:
                    self._build(path, candle_set, by_token)
                    mapped = mapped_pack(path, candle_set.content_hash)
        if mapped is None:
            raise StorageError(f"{path}: the pack that was just written cannot be read back; check the disk and repeat")
        with suppress(OSError):
            now = int(self._store.clock.now().timestamp() * 1e9)
            os.utime(path, ns=(now, path.stat().st_mtime_ns))
        return mapped.pack

    def states(self) -> list[ProjectionState]:
        """The packs on disk, by name, as `quantlab projections list` shows them. A pack is always fresh."""
        return [state for path in self._paths() if (state := _state(path)) is not None]

    def exists(self, projection_id: str) -> bool:
        """Whether there is a pack of this name."""
        return self._cache_dir / f"{projection_id}{SUFFIX}" in self._paths()

    def remove(self, projection_id: str, *, last_used: datetime | None = None) -> bool:
        """Delete a pack and its record indexes; False when it is gone, being built, or was used since ``last_used``.

        Raises StorageError.
        """
        path = self._cache_dir / f"{projection_id}{SUFFIX}"
        with locked_unless_held(lock_path(path)) as is_free:
            state = _state(path) if is_free else None
            if state is None or (last_used is not None and state.last_used != last_used):
                return False
            with storage_errors(path):
                for file in (*index_paths(path), path):
                    file.unlink(missing_ok=True)
        return True

    def is_being_built(self, projection_id: str) -> bool:
        """Whether somebody holds the lock of the pack."""
        with locked_unless_held(lock_path(self._cache_dir / f"{projection_id}{SUFFIX}")) as is_free:
            return not is_free

    def _found(self, path: Path, candle_set: Artifact, by_token: ByToken) -> MappedPack | None:
        """The pack if it is there whole, and so are the files that it was made from."""
        mapped = mapped_pack(path, candle_set.content_hash)
        if mapped is not None:
            check_sources(self._store, by_token, mapped.sources)
        return mapped

    def _build(self, path: Path, candle_set: Artifact, by_token: ByToken) -> None:
        make_directory(path.parent)
        with storage_errors(path.parent):
            for left in path.parent.glob(f".{path.name}.*.building"):
                left.unlink(missing_ok=True)
        sources = sources_of(self._store, by_token)
        most_rows = sum(member.row_count for members in by_token.values() for member in members)
        faults: dict[Token, str] = {}
        with writing_pack(path, path.parent / f".{path.name}.{os.getpid()}.building", most_rows) as writer:
            for found in candles_by_token(self._store, by_token):
                if found.series is None:
                    faults[found.token] = found.fault or ""
                else:
                    writer.add(found.token, found.series, list(found.spans_us))
            facts = {"set": candle_set.artifact_id, "artifacts": len(sources)}
            writer.finish(candle_set.content_hash, faults, sources, facts)

    def _paths(self) -> list[Path]:
        with storage_errors(self._cache_dir):
            return sorted(self._cache_dir.glob(f"{PREFIX}*{SUFFIX}")) if self._cache_dir.is_dir() else []


def _state(path: Path) -> ProjectionState | None:
    """What `projections list` says of a pack; a file that is none is nobody's projection."""
    facts = facts_of_pack(path)
    try:
        status = path.stat()
    except OSError:
        return None
    if facts is None:
        return None
    rows = next(int(column["count"]) for column in facts["columns"] if column["name"] == "ts_ms")
    table = ProjectionTable("candles", rows, ("ts_ms", "open", "high", "low", "close"))
    return ProjectionState(
        projection=ProjectionResult(
            projection_id=path.name.removesuffix(SUFFIX),
            duckdb_path=str(path),
            tables=(table,),
            artifact_count=int(facts["facts"]["artifacts"]),
            total_rows=rows,
            artifact_ids=(str(facts["facts"]["set"]),),
            fingerprint=str(facts["contentHash"]),
            form="pack",
        ),
        is_there=True,
        byte_size=(status.st_blocks + _blocks_of_indexes(path)) * 512,
        last_used=datetime.fromtimestamp(max(status.st_atime, status.st_mtime), UTC),
        superseded=0,
        withdrawn=0,
        added=0,
    )


def _blocks_of_indexes(path: Path) -> int:
    blocks = 0
    for index in index_paths(path):
        with suppress(OSError):  # another may have removed it meanwhile
            blocks += index.stat().st_blocks
    return blocks
