"""Old runs of Dagster are deleted, except those that its UI still needs to tell how assets stand.

What was made from what is in the manifest, so no lineage is lost with a run. But Dagster knows from the newest event of
every partition that it is materialized, in which version and when; from the newest failure that it failed; and from the
newest evaluation of every check how that stands. Runs that hold one of these stay, however old.

This module and `instance_storage`, `recorded_versions` are the only ones that touch Dagster's own storage; a test on a
real instance holds it to the installed release.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster._core.events import DagsterEventType

_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_PER_QUERY = 500

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class OldRuns:
    """Finished runs that are old enough: those that nothing needs any more, and how many stay for the UI's sake."""

    unneeded: tuple[str, ...]
    needed: int


def old_runs(instance: dg.DagsterInstance, *, before: datetime, checks: Collection[dg.AssetCheckKey]) -> OldRuns:
    """The finished runs that were created before ``before`` (with its zone), oldest first."""
    found = instance.get_run_ids(dg.RunsFilter(statuses=_FINISHED, created_before=before))
    needed = _runs_with_newest_events(instance, checks)
    return OldRuns(tuple(run for run in reversed(found) if run not in needed), sum(run in needed for run in found))


def delete_runs(instance: dg.DagsterInstance, runs: Collection[str], *, progress: Progress | None = None) -> None:
    """Delete these runs with their events and logs. Interrupted, it is repeated with what is left."""
    for done, run in enumerate(runs):
        instance.delete_run(run)
        instance.compute_log_manager.delete_logs(prefix=[run])
        _remove_emptied_file(instance, run)
        if progress is not None:
            progress(done + 1, len(runs))


def _remove_emptied_file(instance: dg.DagsterInstance, run: str) -> None:
    """In SQLite every run has a file of its own (130 kB), which Dagster empties and leaves."""
    path_for_shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if path_for_shard is not None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path_for_shard(run)}{suffix}").unlink(missing_ok=True)


def _runs_with_newest_events(instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey]) -> set[str]:
    storage = instance.event_log_storage
    needed: set[str] = set()
    for key in instance.all_asset_keys():
        for fetch, event_type in (
            (instance.fetch_materializations, DagsterEventType.ASSET_MATERIALIZATION),
            (instance.fetch_observations, DagsterEventType.ASSET_OBSERVATION),
        ):
            needed |= {record.run_id for record in fetch(key, limit=1).records}
            newest = sorted(storage.get_latest_storage_id_by_partition(key, event_type).values())
            for start in range(0, len(newest), _PER_QUERY):
                wanted = dg.AssetRecordsFilter(asset_key=key, storage_ids=newest[start : start + _PER_QUERY])
                needed |= {record.run_id for record in fetch(wanted, limit=_PER_QUERY).records}
        failed = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        needed |= {run for run, _ in failed.values()}
    needed |= set(_runs_of_checks(instance, checks))
    return needed


def _runs_of_checks(instance: dg.DagsterInstance, checks: Collection[dg.AssetCheckKey]) -> Iterator[str]:
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(list(checks))
    yield from (record.run_id for record in newest.values())
