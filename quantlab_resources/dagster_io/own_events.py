"""Materialization events of a run over many partitions: one for each, exact, in batches, as soon as it is published.

Dagster's own would come at the end of the step, and say the same version and the same metadata of all partitions. This
module writes them in Dagster's place, in the same way, and keeps Dagster from adding its own. It touches Dagster's
private parts; a canary test holds it to the installed release.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, generate_event_batch_id

MOST_WAITING = 200
LONGEST_WAIT_S = 2.0
"""An event waits at most so long for others: what a crash can take. Where partitions come slower, none waits."""


class OwnEvents:
    """The events of one step that wait to be written together."""

    def __init__(self, context: dg.OutputContext) -> None:
        self._context = context
        self._waiting: list[dg.AssetMaterialization] = []
        self._written = time.monotonic()

    def add(self, event: dg.AssetMaterialization) -> None:
        """Take in an event."""
        self._waiting.append(event)

    def write_if_due(self) -> None:
        """Write what waits if it is much, or if nothing was written for long."""
        if len(self._waiting) >= MOST_WAITING or time.monotonic() - self._written >= LONGEST_WAIT_S:
            self.write()

    def write(self) -> None:
        """Write what waits, in one transaction where the storage can."""
        self._written = time.monotonic()
        waiting, self._waiting = self._waiting, []
        batch: str = generate_event_batch_id()  # type: ignore[no-untyped-call]
        step: Any = self._context.step_context
        for number, event in enumerate(waiting, 1):
            metadata = DagsterEventBatchMetadata(batch, number == len(waiting))
            written = DagsterEvent.asset_materialization(step, event, metadata)
            self._context._events.append(written)  # for the result of a run in this process


@contextmanager
def own_events(context: dg.OutputContext) -> Iterator[OwnEvents]:
    """Within the block events can be added; after it, also after an error, all are written, and Dagster adds none."""
    events = OwnEvents(context)
    try:
        yield events
    finally:
        events.write()
        cast(Any, context)._asset_key = None  # what Dagster looks at to decide whether events are due
