"""Runs of the asset graph in this process, on the configured Dagster instance, so that the UI knows about them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import dagster as dg

from quantlab_assets.definitions import build_defs
from quantlab_assets.partitions import BRIDGED_GAP, RANGE_TAGS, add_partitions, day_ranges, index_ranges
from quantlab_assets.workflows.run_origin import PART_OF_TAG
from quantlab_core.errors import HeadChangedError, InvalidInputError
from quantlab_resources.first_day import first_day
from quantlab_resources.lab import Lab
from quantlab_resources.progress import ProgressListener, PublishedUnit, listening
from quantlab_resources.refusals import Refusal, gathering

ATTEMPTS = 5
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(slots=True)
class ArtifactCounts:
    """Artifacts published so far: all, and those that the lake did not hold before."""

    published: int = 0
    new: int = 0


class StageListener(Protocol):
    """Shows the stages of a workflow to a person."""

    def stage(self, title: str, total: int | None) -> AbstractContextManager[ProgressListener]:
        """Enter a stage of ``total`` units; the listener it gives is told of every finished unit."""
        ...


class SilentStages:
    """Shows nothing: for tests and programs."""

    def stage(self, title: str, total: int | None) -> AbstractContextManager[ProgressListener]:
        """Enter a stage that nobody watches."""
        return nullcontext(lambda _unit: None)


class LakeRuns:
    """Materializes assets of one lake in-process and raises what they raise."""

    def __init__(self, lab: Lab, instance: dg.DagsterInstance, stages: StageListener | None = None) -> None:
        self.lab = lab
        self.instance = instance
        self.stages: StageListener = stages or SilentStages()
        self.counts = ArtifactCounts()
        self.refusals: list[Refusal] = []
        """What runs left out because its input cannot be used."""
        self._job = build_defs(home=str(lab.paths.home), judges_lake=False).resolve_implicit_global_asset_job_def()

    def materialize(self, title: str, assets: Sequence[str], *, config: Mapping[str, Any] | None = None) -> None:
        """One run over unpartitioned assets."""
        with self.watched(title, len(assets)):
            self._run(assets, config=config)

    def materialize_partition(
        self, title: str, assets: Sequence[str], partition: str, *, config: Mapping[str, Any] | None = None
    ) -> None:
        """One run over one partition."""
        with self.watched(title, 1):
            self._run(assets, partition_key=partition, config=config)

    def require_known(self, days: Iterable[date]) -> None:
        """Raise InvalidInputError unless the graph has partitions for all of ``days``."""
        first, today = first_day(), self.lab.clock.now().date()
        outside = [day for day in days if not first <= day <= today]
        if outside:
            raise InvalidInputError(
                f"the day {outside[0]} lies outside the graph's days, {first} to {today};"
                " QUANTLAB_FIRST_DAY=YYYY-MM-DD moves the first one"
            )

    def materialize_days(
        self,
        title: str,
        assets: Sequence[str],
        days: Iterable[date],
        *,
        never: Iterable[date] = (),
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """One run per contiguous range of days; small gaps are bridged, but not over days of ``never``.

        Raises InvalidInputError for unknown days.
        """
        wanted = sorted(set(days))
        self.require_known(wanted)
        ranges = day_ranges(wanted, never=never)
        total = sum((date.fromisoformat(end) - date.fromisoformat(start)).days + 1 for start, end in ranges)
        with self.watched(title, total * len(assets)):
            for start, end in ranges:
                self._run_range(assets, start, end, config)

    def materialize_keys(
        self,
        title: str,
        assets: Sequence[str],
        partitions: dg.DynamicPartitionsDefinition,
        keys: Iterable[str],
        *,
        bridged_gap: int = BRIDGED_GAP,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """One run per contiguous range of ``keys`` in Dagster's order of the dynamic keys; small gaps are bridged.

        ``config`` holds for all keys of a range, so where it is about some keys alone the gap to bridge is 0.
        """
        wanted = set(keys)
        add_partitions(self.instance, partitions, wanted)
        known = self.instance.get_dynamic_partitions(str(partitions.name))
        touched = [index for index, key in enumerate(known) if key in wanted]
        ranges = index_ranges(touched, bridged_gap=bridged_gap)
        with self.watched(title, sum(last - first + 1 for first, last in ranges) * len(assets)):
            for first, last in ranges:
                self._run_range(assets, known[first], known[last], config)

    def _run_range(self, assets: Sequence[str], first: str, last: str, config: Mapping[str, Any] | None = None) -> None:
        if first == last:
            self._run(assets, partition_key=first, config=config)
        else:
            self._run(assets, tags=dict(zip(RANGE_TAGS, (first, last), strict=True)), config=config)

    def _run(
        self,
        assets: Sequence[str],
        *,
        partition_key: str | None = None,
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Run, and run again with a fresh view of the lake when another process got in between."""
        for _ in range(ATTEMPTS - 1):
            try:
                self._run_once(assets, partition_key, tags, config)
            except HeadChangedError:
                continue
            return
        self._run_once(assets, partition_key, tags, config)

    def _run_once(
        self,
        assets: Sequence[str],
        partition_key: str | None,
        tags: Mapping[str, str] | None,
        config: Mapping[str, Any] | None,
    ) -> None:
        with _own_end_by_signal():
            self._job.execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                partition_key=partition_key,
                tags={PART_OF_TAG: "workflow", **(tags or {})},
                run_config={**_QUIET, **(config or {})},
                raise_on_error=True,
            )

    @contextmanager
    def watched(self, title: str, total: int) -> Iterator[None]:
        """A stage that is shown to the user and whose publications are counted."""
        with self.stages.stage(title, total) as show:

            def count_and_show(unit: PublishedUnit) -> None:
                self.counts.published += unit.artifacts
                self.counts.new += unit.new
                show(unit)

            with listening(count_and_show), gathering(self.refusals):
                yield


@contextmanager
def _own_end_by_signal() -> Iterator[None]:
    """Let SIGTERM do afterwards what it did before.

    Dagster leaves it with what SIGINT does, and that is nothing in a command which a script has started in the
    background: nobody could end it then.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
