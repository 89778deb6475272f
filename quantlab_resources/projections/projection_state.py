"""How a projection stands against the lake: what of it was superseded or withdrawn since it was built."""

from __future__ import annotations

from quantlab_core.artifacts.artifact import ArtifactStatus
from quantlab_core.errors import ArtifactNotFoundError
from quantlab_core.projections.projection_builder import ProjectionState
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.projections.current_inputs import current_ids, current_members
from quantlab_resources.projections.projection_record import ProjectionRecord, RecordedTable
from quantlab_resources.projections.recorded_projections import RecordedProjections


def state_of(store: ParquetArtifactStore, recorded: RecordedProjections, record: ProjectionRecord) -> ProjectionState:
    """The state of a recorded projection; what `refresh` would do decides, so a fresh one is left alone by it."""
    use = recorded.disk_use(record)
    counts = [_changes(store, table) for table in record.tables]
    superseded, withdrawn, added = (sum(count[place] for count in counts) for place in range(3))
    return ProjectionState(
        projection=record.result(recorded.path_of(record)),
        is_there=use is not None,
        byte_size=0 if use is None else use.byte_size,
        last_used=None if use is None else use.last_used,
        superseded=superseded,
        withdrawn=withdrawn,
        added=added,
    )


def _changes(store: ParquetArtifactStore, table: RecordedTable) -> tuple[int, int, int]:
    """Superseded, withdrawn and added artifacts of a table."""
    held = [entry.artifact_id for entry in table.sources]
    try:
        wanted = {a.artifact_id for a in current_members(store, current_ids(store, table.requested))}
    except ArtifactNotFoundError:  # a lake that was put back to an earlier state: nothing of it is current
        wanted = set()
    leaving = [artifact_id for artifact_id in held if artifact_id not in wanted]
    withdrawn = sum(
        artifact is None or artifact.status is ArtifactStatus.TOMBSTONED for artifact in store.get_artifacts(leaving)
    )
    return len(leaving) - withdrawn, withdrawn, len(wanted - set(held))
