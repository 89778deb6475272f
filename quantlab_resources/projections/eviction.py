"""Eviction: which projections make room when all together are too large."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from quantlab_core.projections.projection_builder import Eviction, ProjectionState
from quantlab_resources.projections.candle_pack_projection import CandlePackFiles
from quantlab_resources.projections.recorded_projections import RecordedProjections


def evict(
    recorded: RecordedProjections,
    packs: CandlePackFiles,
    states: Sequence[ProjectionState],
    max_bytes: int,
    *,
    apply: bool,
    keep: Collection[str] = (),
) -> Eviction:
    """Choose, and with ``apply`` delete, the least recently used projections until the rest fits.

    One that is being built (its lock is held) or was used meanwhile stays. Raises ConflictError, StorageError.
    """
    remaining = sum(state.byte_size for state in states)
    oldest_first = sorted(
        (state for state in states if state.last_used is not None and state.projection.projection_id not in keep),
        key=lambda state: (state.last_used, state.projection.projection_id),
    )
    evicted = []
    for state in oldest_first:
        if remaining <= max_bytes:
            break
        is_gone = _evicted_pack if state.projection.form == "pack" else _evicted_record
        if is_gone(recorded, packs, state, apply):
            evicted.append(state)
            remaining -= state.byte_size
    return Eviction(tuple(evicted), remaining)


def _evicted_pack(_: RecordedProjections, packs: CandlePackFiles, state: ProjectionState, apply: bool) -> bool:
    projection_id = state.projection.projection_id
    if apply:
        return packs.remove(projection_id, last_used=state.last_used)
    return not packs.is_being_built(projection_id)


def _evicted_record(recorded: RecordedProjections, _: CandlePackFiles, state: ProjectionState, apply: bool) -> bool:
    with recorded.locked_unless_held(state.projection.projection_id) as is_free:
        return is_free and (not apply or _removed(recorded, state))


def _removed(recorded: RecordedProjections, state: ProjectionState) -> bool:
    record = recorded.find(state.projection.projection_id)
    use = None if record is None else recorded.disk_use(record)
    if record is None or use is None or use.last_used != state.last_used:
        return False
    recorded.remove(record)
    recorded.save(record)
    return True
