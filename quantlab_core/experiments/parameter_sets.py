"""The parameter sets of a sweep: the experiment's strategy, changed in every way that the sweep asks for.

A set's id depends on what it means alone: the same parameters have the same id in any sweep. A set that contradicts
itself (a step above its trigger, a stop that would sell at once) is left out with the reason, as grids contain such
corners; a sweep of which every set does is refused.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from quantlab_core.errors import InvalidInputError, StrategyError
from quantlab_core.experiments.sweep_config import (
    SWEPT_KEYS,
    Grid,
    Interval,
    ListedSets,
    RandomSets,
    SweepConfig,
    Values,
    canonical_value,
)
from quantlab_core.simulation.strategy import Strategy, parse_strategy, strategy_mapping

ID_DIGITS = 12
"""Hex digits of a set's id: among 10,000 sets two share one with a chance of 2 in 10 million."""

_DRAWN_DIGITS = 6
"""Significant digits of a number that is drawn: enough to tell sets apart, few enough to be read and repeated."""


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """One strategy of a sweep. ``changes`` are the keys that the sweep gives it, canonical."""

    param_id: str
    changes: Values
    strategy: Strategy


@dataclass(frozen=True, slots=True)
class ExcludedSet:
    """A set that is no strategy, and why."""

    param_id: str
    changes: Values
    reason: str


@dataclass(frozen=True, slots=True)
class ParameterSets:
    """What a sweep tries, by id. ``n_merged`` sets meant the same as one that is among them, and count once."""

    sets: tuple[ParameterSet, ...]
    excluded: tuple[ExcludedSet, ...]
    n_merged: int

    def __len__(self) -> int:
        return len(self.sets)


def parameter_sets(base: Strategy, sweep: SweepConfig) -> ParameterSets:
    """The sets that ``sweep`` makes of ``base``. Raises InvalidInputError when none of them is a strategy."""
    mapping = canonical_value(strategy_mapping(base))
    tried: dict[str, ParameterSet] = {}
    excluded: dict[str, ExcludedSet] = {}
    n_written = 0
    for changes in _changes(sweep):
        n_written += 1
        merged = {key: value for key, value in {**mapping, **changes}.items() if value is not None}
        try:
            strategy = parse_strategy(merged)
        except StrategyError as error:
            left_out = ExcludedSet(_digest(merged), changes, str(error))
            excluded.setdefault(left_out.param_id, left_out)
            continue
        found = ParameterSet(param_id_of(strategy), changes, strategy)
        tried.setdefault(found.param_id, found)
    if not tried:
        first = next(iter(excluded.values()))
        raise InvalidInputError(
            f"sweep: none of the {n_written:,} parameter sets is a strategy; "
            f"{json.dumps(first.changes)}: {first.reason}"
        )
    return ParameterSets(
        tuple(tried[param_id] for param_id in sorted(tried)),
        tuple(excluded[param_id] for param_id in sorted(excluded)),
        n_written - len(tried) - len(excluded),
    )


def param_id_of(strategy: Strategy) -> str:
    """The id of a parameter set: a digest of the strategy's keys that are not at their defaults, words left out.

    So a key that strategies gain one day, with a default that keeps what they did, changes no id.
    """
    return _digest(canonical_value(strategy_mapping(strategy)))


def _digest(mapping: Mapping[str, Any]) -> str:
    meant = {key: value for key, value in mapping.items() if key in SWEPT_KEYS and not _is_default(key, value)}
    text = json.dumps(meant, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def _is_default(key: str, value: Any) -> bool:
    """False is no 0 here: a set that is left out for it must not have the id of one that is tried."""
    return bool(value == _DEFAULTS.get(key)) and not isinstance(value, bool)


_DEFAULTS = {field.name: canonical_value(field.default) for field in fields(Strategy)}


def _changes(sweep: SweepConfig) -> Iterator[Values]:
    match sweep.source:
        case Grid(axes):
            keys = [key for key, _ in axes]
            for values in itertools.product(*(axis for _, axis in axes)):
                yield dict(zip(keys, values, strict=True))
        case ListedSets(sets):
            yield from sets
        case RandomSets() as drawn:
            yield from _drawn(drawn)


def _drawn(drawn: RandomSets) -> Iterator[Values]:
    """Set after set, key after key, from the raw words of PCG64, whose stream numpy guarantees across versions."""
    from numpy.random import PCG64  # a definition must load without numpy

    words = PCG64(drawn.seed)
    for _ in range(drawn.samples):
        yield {key: _draw(how, float(words.random_raw() >> 11) * 2.0**-53) for key, how in drawn.keys}


def _draw(how: Interval | tuple[Any, ...], share: float) -> Any:
    """The value at ``share`` in [0, 1) of where it is drawn from."""
    if isinstance(how, tuple):
        return how[int(share * len(how))]
    if how.is_log:
        low, high = math.log(how.low), math.log(how.high)
        value = math.exp(low + share * (high - low))
    elif how.is_whole:
        value = math.floor(how.low + share * (how.high - how.low + 1))
    else:
        value = how.low + share * (how.high - how.low)
    rounded = round(value) if how.is_whole else float(f"{value:.{_DRAWN_DIGITS}g}")
    return canonical_value(min(max(rounded, how.low), how.high))
