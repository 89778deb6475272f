"""Record indexes in the cache: each a file beside the candle pack that it was made from, removed together with it.

Like a pack it is a function of what names it, never stale, and deleting it loses nothing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

from quantlab_core.clock import Clock
from quantlab_core.errors import StorageError
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_resources.advisory_lock import locked
from quantlab_resources.artifacts.files.durable_files import storage_errors
from quantlab_resources.projections.candle_pack_paths import index_path, index_paths, lock_path, pack_path
from quantlab_resources.projections.record_index_file import identity_of, mapped_index, name_of, write_index

if TYPE_CHECKING:
    from quantlab_core.simulation.sweep.candle_faults import CandleFaults
    from quantlab_core.simulation.sweep.record_index import RecordIndex

MOST_INDEXES = 16
"""Indexes that are kept of one pack; the one that was not used for longest makes room for another."""


class RecordIndexFiles:
    """The record indexes in one cache folder. Implements `quantlab_core.projections.record_indexes.RecordIndexes`.

    One process builds an index of a pack at a time, others wait and use it. Whoever has one open keeps it.
    """

    def __init__(self, cache_dir: Path, clock: Clock) -> None:
        self._cache_dir = cache_dir
        self._clock = clock

    def of_calls(
        self, content_hash: str, pack: CandlePack, calls: Calls, faults: CandleFaults, rule: EntryRule, hold_ms: int
    ) -> RecordIndex:
        """The index of ``calls`` on the pack of the set with this content hash; see the port. Counts as a use of it."""
        from quantlab_core.simulation.sweep.record_index import build_record_index

        pack_file = pack_path(self._cache_dir, content_hash)
        identity = identity_of(content_hash, calls, rule, hold_ms)
        path = index_path(pack_file, name_of(identity))
        index = mapped_index(path, identity)
        if index is None:
            try:
                with locked(lock_path(pack_file)):
                    index = mapped_index(path, identity)  # another may have built it meanwhile
                    if index is None:
                        index = build_record_index(pack, calls, faults, rule, hold_ms)
                        building = path.parent / f".{path.name}.{os.getpid()}-{get_ident()}.building"
                        if pack_file.is_file():  # else it was removed meanwhile, and nothing would remove the index
                            _make_room(pack_file, path)
                            write_index(path, building, identity, index)
            except StorageError:
                # A cache that is full or may not be written costs time, never the sweep.
                index = index or build_record_index(pack, calls, faults, rule, hold_ms)
        with suppress(OSError):
            now = int(self._clock.now().timestamp() * 1e9)
            os.utime(path, ns=(now, path.stat().st_mtime_ns))
        return index


def _make_room(pack_file: Path, path: Path) -> None:
    """Remove what dead builds of the pack's indexes left, and all but the last used of the others than ``path``."""
    with storage_errors(path.parent):
        for left in path.parent.glob(f".{pack_file.stem}.*.index.*.building"):
            left.unlink(missing_ok=True)
        others = [one for one in index_paths(pack_file) if one != path]
        oldest_first = sorted(others, key=lambda one: (one.stat().st_atime_ns, one.name))
        for one in oldest_first[: max(0, len(others) - (MOST_INDEXES - 1))]:
            one.unlink(missing_ok=True)
