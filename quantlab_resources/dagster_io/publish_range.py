"""A run over many partitions: each is published and reported by itself, and one that fails does not take the others."""

from __future__ import annotations

from contextlib import ExitStack

import dagster as dg

from quantlab_core.errors import StorageError, first_line
from quantlab_resources.dagster_io.artifact_draft import PublishedPartition, RangeDrafts, RangeTotal
from quantlab_resources.dagster_io.earlier_attempts import finished_before, note_code_version
from quantlab_resources.dagster_io.event_tags import DATA_VERSION_TAG
from quantlab_resources.dagster_io.materialization_metadata import data_version_of, metadata_of
from quantlab_resources.dagster_io.own_events import OwnEvents
from quantlab_resources.dagster_io.publish_group import assets_of_step, publish_group
from quantlab_resources.dagster_io.range_progress import RangeProgress, unit_of
from quantlab_resources.lab import Lab

ALIKE_IN_A_ROW = 5
"""After so many partitions in a row that failed with the same kind of error, the fault is in none of them."""
MOST_NAMED = 20


def publish_range(context: dg.OutputContext, lab: Lab, work: RangeDrafts, events: OwnEvents) -> None:
    """Publish the partitions in order, and report each; then raise the first error if any failed.

    What the runs that this one retries have finished is reported again and not done again. A failed partition is named
    in the log and the others go on, unless the disk refuses or `ALIKE_IN_A_ROW` fail alike.
    """
    step, run = context.step_context.step.key, context.step_context.dagster_run
    assets = assets_of_step(context)
    work.totals.update((asset, RangeTotal()) for asset in assets)
    instance = context.step_context.instance
    finished = finished_before(
        instance, lab, run, step=step, specs=work.specs, assets=assets, code_version=work.code_version
    )
    note_code_version(instance, run, step, work.code_version)
    unit = unit_of(context.asset_partitions_def)
    known = [key for key in work.keys if key in finished]
    if known:
        context.log.info(
            f"{step}: {len(known):,} of {len(work.keys):,} {unit} were finished before and are not repeated"
        )
        for key in known:
            _report(work, finished[key], events)
    left = [key for key in work.keys if key not in finished]
    progress = RangeProgress(context.log.info, step, unit, len(left))
    failures = _Failures(context, step, unit)
    for key in left:
        try:
            with ExitStack() as resources:
                published = publish_group(context, lab, work.group_of(key, resources))
        except Exception as error:
            progress.failed()
            failures.add(key, error)
            if failures.are_of_no_partition:
                break
            continue
        failures.end_of_row()
        _report(work, published, events)
        results = [result for share in published.values() for result in share.results]
        progress.done(len(results), sum(not result.deduped for result in results))
    progress.end()
    events.write()
    if failures.keys:
        work.after_failures()
        failures.raise_first(untried=len(left) - progress.tried)


def _report(work: RangeDrafts, published: dict[str, PublishedPartition], events: OwnEvents) -> None:
    for asset, share in published.items():
        work.totals[asset].add(share)
        events.add(
            dg.AssetMaterialization(
                asset_key=asset,
                partition=share.partition,
                metadata=metadata_of([share]),
                tags={DATA_VERSION_TAG: data_version_of(share), **work.tags},
            )
        )
    events.write_if_due()


class _Failures:
    """Partitions that failed, and the first one's error."""

    def __init__(self, context: dg.OutputContext, step: str, unit: str) -> None:
        self._log = context.log
        self._step = step
        self._unit = unit
        self._row: list[type[BaseException]] = []
        self._first: Exception | None = None
        self.keys: list[str] = []

    def add(self, key: str, error: Exception) -> None:
        """Note and tell that the partition failed."""
        self.keys.append(key)
        self._row.append(type(error))
        self._first = self._first or error
        if len(self.keys) <= MOST_NAMED:
            reason = f"{type(error).__name__}: {first_line(error)}"
            self._log.error(f"{self._step}[{key}] failed, nothing of it was published: {reason}")

    def end_of_row(self) -> None:
        """A partition did not fail."""
        self._row.clear()

    @property
    def are_of_no_partition(self) -> bool:
        """Whether the next partition would fail as well."""
        last = self._row[-ALIKE_IN_A_ROW:]
        return bool(last) and (
            issubclass(last[-1], StorageError) or (len(last) == ALIKE_IN_A_ROW and len(set(last)) == 1)
        )

    def raise_first(self, untried: int) -> None:
        """Raise the first error as it came, with a note for the run's page."""
        if self._first is None:
            return
        named = ", ".join(self.keys[:MOST_NAMED]) + (", …" if len(self.keys) > MOST_NAMED else "")
        gave_up = f"; {untried:,} were not tried, since the fault seems to be in none of them" if untried else ""
        self._first.add_note(
            f"{self._step}: {len(self.keys):,} {self._unit} failed ({named}){gave_up}; all others are published."
            " Re-execute this run to do what is missing and nothing else."
        )
        raise self._first
