"""Which parameter set of a sweep is chosen, and how the others follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantlab_core.experiments.parameter_sets import ParameterSet
from quantlab_core.experiments.sweep_scores import SetScores


@dataclass(frozen=True, slots=True)
class Choice:
    """``number`` is the chosen set's, ``ranks`` has the rank of each set from 1, ``values`` what each was judged by.

    ``n_equals`` other sets have the value of the chosen one.
    """

    number: int
    ranks: tuple[int, ...]
    values: tuple[float | None, ...]
    n_equals: int

    @property
    def value(self) -> float | None:
        """What the chosen set was chosen for; None when no set has a value."""
        return self.values[self.number]


def choose(sets: Sequence[ParameterSet], scores: SetScores, measure: str) -> Choice:
    """The set with the highest value of ``measure``; of equals the first by id, and sets without a value come last."""
    values = tuple(scores.measure(number, measure) for number in range(len(sets)))
    order = sorted(range(len(sets)), key=lambda number: (*_descending(values[number]), sets[number].param_id))
    ranks = [0] * len(sets)
    for rank, number in enumerate(order, start=1):
        ranks[number] = rank
    best = order[0]
    return Choice(best, tuple(ranks), values, sum(value == values[best] for value in values) - 1)


def _descending(value: float | None) -> tuple[bool, float]:
    return (value is None, 0.0 if value is None else -value)
