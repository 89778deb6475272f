"""Runs that a sensor asked for, found again by their run key: how they stand, and keys that no run has yet.

Dagster makes one run of a key, ever. So a key names the work, and is numbered where the same work is asked for again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import count

import dagster as dg
from dagster import AssetKey, DagsterRun, DagsterRunStatus

RUN_KEY_TAG = "dagster/run_key"
ENDED_BADLY = frozenset({DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED})
UNFINISHED = (
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
)
FORGOTTEN_AFTER = timedelta(days=1)
"""A run that began so long ago and never ended is one of a program that was killed."""


def status_of(instance: dg.DagsterInstance, run_key: str) -> DagsterRunStatus | None:
    """How the run of this key stands; None while the daemon has not made it yet."""
    records = instance.get_run_records(dg.RunsFilter(tags={RUN_KEY_TAG: run_key}), limit=1)
    return records[0].dagster_run.status if records else None


def unused_run_key(instance: dg.DagsterInstance, name: str) -> str:
    """``<name>-1``, or the first number of which there is no run."""
    return next(key for key in (f"{name}-{number}" for number in count(1)) if status_of(instance, key) is None)


def unfinished_runs(
    instance: dg.DagsterInstance, now: datetime, *, over: Iterable[str], but_jobs: Iterable[str] = ()
) -> list[DagsterRun]:
    """Runs that are queued or in progress and may make one of the assets ``over``: those of jobs, and of these assets.

    ``but_jobs`` are jobs that make no asset.
    """
    wanted, harmless = {AssetKey(asset) for asset in over}, set(but_jobs)
    filters = dg.RunsFilter(statuses=list(UNFINISHED), created_after=now - FORGOTTEN_AFTER)
    runs = (record.dagster_run for record in instance.get_run_records(filters, limit=1_000))
    return [
        run
        for run in runs
        if run.job_name not in harmless and (run.asset_selection is None or run.asset_selection & wanted)
    ]
