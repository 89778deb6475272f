"""Seeded chance for synthetic data: the same draws on every machine, Python and NumPy.

Only uniform doubles are taken from PCG64, because their stream is fixed by the algorithm; NumPy's other distributions
may change between releases. Everything else is built from them here, normals as a sum of twelve uniforms.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")

_UNIFORMS_PER_NORMAL = 12  # their sum has variance 1 and mean 6


class Dice:
    """One independent stream of chance, named by whole numbers: the world's seed, a purpose, an index."""

    def __init__(self, *name: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(list(name)))

    def unit(self) -> float:
        """One number in [0, 1)."""
        return float(self._generator.random())

    def units(self, count: int) -> npt.NDArray[np.float64]:
        """``count`` numbers in [0, 1)."""
        return self._generator.random(count)

    def normals(self, count: int) -> npt.NDArray[np.float64]:
        """``count`` numbers with mean 0 and variance 1, close to normal, never beyond ±6."""
        sums: npt.NDArray[np.float64] = self._generator.random((_UNIFORMS_PER_NORMAL, count)).sum(axis=0)
        return sums - _UNIFORMS_PER_NORMAL / 2

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.unit()

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both possible."""
        return low + int(self.unit() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.unit() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, each as likely as the others."""
        return items[int(self.unit() * len(items))]

    def data(self, count: int) -> bytes:
        """``count`` bytes."""
        return bytes(int(unit * 256) for unit in self.units(count))
