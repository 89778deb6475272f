"""Whether something has far more or fewer rows than it used to have: seldom wrong, always worth a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

MOST_EARLIER = 10
"""So many earlier counts, the latest ones, are what is usual."""
FACTOR = 2.0
"""More than so many times the usual number of rows, or less than one in so many, is unusual."""
LEAST_DIFFERENCE = 20
"""Fewer rows of difference are never unusual: small tables double easily."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The rows of one thing (a partition, or an asset without any): ``now``, and ``earlier`` with the oldest first."""

    name: str
    now: int
    earlier: Sequence[int]

    @property
    def usual(self) -> float | None:
        """The median of the latest earlier counts; None where this is the first."""
        return median(self.earlier[-MOST_EARLIER:]) if self.earlier else None

    @property
    def is_unusual(self) -> bool:
        """Whether ``now`` is far from what is usual. The first of its kind is not."""
        usual = self.usual
        if usual is None or abs(self.now - usual) < LEAST_DIFFERENCE:
            return False
        return self.now > FACTOR * usual or FACTOR * self.now < usual
