"""How far a run over many partitions has come, in the run's log: a line now and then, not one per partition."""

from __future__ import annotations

import time
from collections.abc import Callable

import dagster as dg

SECONDS_BETWEEN_LINES = 10.0


class RangeProgress:
    """Says lines such as ``ohlcv_slices: 120 of 750 days, 310 artifacts, 12 new, 95 s left``."""

    def __init__(
        self,
        say: Callable[[str], None],
        step: str,
        unit: str,
        total: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._step = step
        self._unit = unit
        self._total = total
        self._clock = clock
        self._began = self._said = clock()
        self._done = self._artifacts = self._new = self._failed = 0

    @property
    def tried(self) -> int:
        """Partitions that were published or failed."""
        return self._done + self._failed

    def done(self, artifacts: int, new: int) -> None:
        """Another partition was published."""
        self._done += 1
        self._artifacts += artifacts
        self._new += new
        self._say_now_and_then()

    def failed(self) -> None:
        """Another partition failed."""
        self._failed += 1
        self._say_now_and_then()

    def end(self) -> None:
        """The last line: what became of all."""
        self._say(f"{self._so_far()} in {self._clock() - self._began:.0f} s")

    def _say_now_and_then(self) -> None:
        now = self._clock()
        tried = self.tried
        if now - self._said >= SECONDS_BETWEEN_LINES and tried < self._total:
            self._said = now
            left = (now - self._began) / tried * (self._total - tried)
            self._say(f"{self._so_far()}, {_duration(left)} left")

    def _so_far(self) -> str:
        failed = f", {self._failed} failed" if self._failed else ""
        return (
            f"{self._step}: {self._done:,} of {self._total:,} {self._unit}, {self._artifacts:,} artifacts,"
            f" {self._new:,} new{failed}"
        )


def unit_of(partitions_def: dg.PartitionsDefinition) -> str:
    """What the partitions are called: days, or the name of the dynamic keys."""
    if isinstance(partitions_def, dg.DynamicPartitionsDefinition):
        return str(partitions_def.name).replace("_", " ")
    return "days" if isinstance(partitions_def, dg.DailyPartitionsDefinition) else "partitions"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
