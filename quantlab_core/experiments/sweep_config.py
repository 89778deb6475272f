"""The ``sweep`` block of an experiment: which parameter sets are tried, and by what the best of them is chosen.

An experiment without the block tries one strategy. Sets are given as a ``grid`` (every combination of the values of
several keys), a ``list`` (each set written out) or ``random`` (drawn with a seed). They change keys of the experiment's
strategy; a value of null takes a key away. The block is part of an experiment's identity in canonical form: neither the
order of keys nor that of values or sets matters, and 60.0 is 60.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, cast, get_args

from quantlab_core.errors import InvalidInputError, QuantlabError
from quantlab_core.simulation.config_fields import ConfigFields
from quantlab_core.simulation.strategy import STRATEGY_KEYS

MOST_SETS = 10_000
"""No sweep tries more: the deflated Sharpe ratio of so many is hardly ever worth its time."""

KINDS = ("grid", "list", "random")
SWEEP_KEYS = (*KINDS, "choose_by", "keep_trades")
SWEPT_KEYS = tuple(key for key in STRATEGY_KEYS if key not in ("name", "description"))
"""Keys of a strategy that a sweep may change: those that can change a result."""

TRADE_MEASURES = ("sharpe", "mean_return_low", "mean_return", "median_return", "win_rate", "profit_factor", "total_pnl")
PURSE_MEASURES = ("total_return", "sharpe_daily_365", "sortino", "calmar", "max_drawdown")
"""Measures by which a set can be chosen, the highest is the best; the latter need the portfolio of every set."""

_RANDOM_SETTINGS = ("samples", "seed")
_WHOLE_KEYS = frozenset({"max_hold_min", "limit_ttl_min"})

_LARGEST_WHOLE = 1e15
"""Beyond it a float stays one."""

KeepTrades = Literal["chosen", "all"]
Values = Mapping[str, Any]
"""Keys of a strategy and what a set makes of them; None takes a key away."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Where a number is drawn from, both ends included; ``is_log`` draws its logarithm."""

    low: float
    high: float
    is_log: bool
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of one value of each key; keys ascend, values are in canonical order."""

    axes: tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True, slots=True)
class ListedSets:
    """Each set as what it changes."""

    sets: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class RandomSets:
    """``samples`` sets; each key is drawn from an interval or from choices."""

    samples: int
    seed: int
    keys: tuple[tuple[str, Interval | tuple[Any, ...]], ...]


Source = Grid | ListedSets | RandomSets


@dataclass(frozen=True, slots=True)
class SweepConfig:
    """The checked block. ``choose_by`` is one of the measures; ``keep_trades`` says whose trades are results."""

    source: Source
    choose_by: str = "sharpe"
    keep_trades: KeepTrades = "chosen"

    @property
    def needs_purses(self) -> bool:
        """Whether the portfolio of every set is wanted, not that of the chosen one alone."""
        return self.keep_trades == "all" or self.choose_by in PURSE_MEASURES


def parse_sweep(values: object) -> SweepConfig:
    """The sweep that a ``sweep`` block describes. Raises InvalidInputError naming the key."""
    fields = ConfigFields("sweep", values, SWEEP_KEYS)
    given = [kind for kind in KINDS if kind in fields]
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "says nothing of what to try"
        raise InvalidInputError(f"sweep: {found}; give exactly one of {', '.join(KINDS)}")
    _refuse_what_json_cannot_say(fields, given[0])
    parsers: dict[str, Callable[[ConfigFields], Source]] = {
        "grid": _parse_grid,
        "list": _parse_list,
        "random": _parse_random,
    }
    return SweepConfig(
        source=parsers[given[0]](fields),
        choose_by=fields.choice("choose_by", "sharpe", (*TRADE_MEASURES, *PURSE_MEASURES)),
        keep_trades=cast(KeepTrades, fields.choice("keep_trades", "chosen", get_args(KeepTrades))),
    )


def sweep_mapping(sweep: SweepConfig) -> dict[str, Any]:
    """The canonical mapping of ``sweep``, defaults written out; the inverse of `parse_sweep`."""
    match sweep.source:
        case Grid(axes):
            source: dict[str, Any] = {"grid": {key: list(axis) for key, axis in axes}}
        case ListedSets(sets):
            source = {"list": [dict(one) for one in sets]}
        case RandomSets(samples, seed, keys):
            source = {"random": {"samples": samples, "seed": seed, **{key: _drawn_mapping(how) for key, how in keys}}}
    return {**source, "choose_by": sweep.choose_by, "keep_trades": sweep.keep_trades}


def canonical_value(value: Any) -> Any:
    """``value`` with tuples as lists and 60.0 as 60, so that equal values are written alike."""
    if isinstance(value, float) and abs(value) < _LARGEST_WHOLE and value == math.floor(value):
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): canonical_value(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [canonical_value(item) for item in value]
    return value


def ordered_values(values: Iterable[Any]) -> list[Any]:
    """``values`` in canonical form and an order of their own: numbers by size, the rest by their text."""
    plain = [canonical_value(value) for value in values]

    def place(value: Any) -> tuple[int, float, str]:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return (0, value, "") if is_number else (1, 0.0, json.dumps(value, sort_keys=True))

    return sorted(plain, key=place)


def _parse_grid(fields: ConfigFields) -> Grid:
    axes = _swept("sweep grid", fields.block("grid"))
    if not axes:
        raise fields.refuse("grid", "changes nothing: name a key of the strategy and the values to try")
    for key, values in axes.items():
        if not _is_list(values) or not values:
            raise fields.refuse("grid", f"{key} must be a list of one or more values")
    n_sets = math.prod(len(values) for values in axes.values())
    if n_sets > MOST_SETS:
        sizes = " x ".join(f"{len(values)} {key}" for key, values in axes.items())
        raise _too_many(fields, "grid", n_sets, f" ({sizes})")
    return Grid(tuple((key, tuple(ordered_values(axes[key]))) for key in sorted(axes)))


def _parse_list(fields: ConfigFields) -> ListedSets:
    sets = fields.block("list")
    if not _is_list(sets) or not sets:
        raise fields.refuse("list", "must be a list of one or more sets, each a mapping of keys to values")
    if len(sets) > MOST_SETS:
        raise _too_many(fields, "list", len(sets))
    listed = [_swept(f"sweep list item {number}", one) for number, one in enumerate(sets, start=1)]
    return ListedSets(tuple(ordered_values(listed)))


def _parse_random(fields: ConfigFields) -> RandomSets:
    drawn = ConfigFields("sweep random", fields.block("random"), (*_RANDOM_SETTINGS, *SWEPT_KEYS))
    samples = drawn.whole("samples", least=1)
    if samples is None:
        raise drawn.refuse("samples", "is required: how many sets are drawn")
    if samples > MOST_SETS:
        raise _too_many(fields, "random", samples)
    keys = [key for key in SWEPT_KEYS if key in drawn]
    if not keys:
        raise fields.refuse("random", "changes nothing: name a key of the strategy and where it is drawn from")
    how = tuple((key, _drawn_from(key, drawn.block(key))) for key in sorted(keys))
    return RandomSets(samples, drawn.whole("seed") or 0, how)


def _drawn_from(key: str, values: object) -> Interval | tuple[Any, ...]:
    if _is_list(values):
        values = {"choices": values}
    fields = ConfigFields(f"sweep random {key}", values, ("from", "to", "log", "choices"))
    if "choices" in fields:
        choices = fields.block("choices")
        if not _is_list(choices) or not choices or "from" in fields or "to" in fields or "log" in fields:
            raise fields.refuse("choices", "must be a list of one or more values, without from, to and log")
        return tuple(ordered_values(choices))
    is_log = fields.flag("log", False)
    low, high = fields.number("from"), fields.number("to")
    if low is None or high is None:
        raise fields.refuse("from", "and to are required, or choices")
    if low > high:
        raise fields.refuse("from", f"{low:g} lies above to {high:g}")
    if is_log and low <= 0:
        raise fields.refuse("from", f"must be above 0 with log, got {low:g}")
    is_whole = key in _WHOLE_KEYS
    if is_whole and (low != math.floor(low) or high != math.floor(high)):
        raise fields.refuse("from", f"and to must be whole numbers, as {key} is one")
    return Interval(low, high, is_log, is_whole)


def _drawn_mapping(how: Interval | tuple[Any, ...]) -> dict[str, Any]:
    if isinstance(how, tuple):
        return {"choices": list(how)}
    return {"from": canonical_value(how.low), "to": canonical_value(how.high), "log": how.is_log}


def _swept(block: str, values: object) -> dict[str, Any]:
    """The keys that are swept, each with what was written; null is a value here, which `ConfigFields` would drop."""
    ConfigFields(block, values, SWEPT_KEYS)
    return dict(canonical_value(values))


def _refuse_what_json_cannot_say(fields: ConfigFields, kind: str) -> None:
    try:
        json.dumps(fields.block(kind), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise fields.refuse(kind, f"holds a value that is no finite number, text, list or mapping ({error})") from None


def _too_many(fields: ConfigFields, kind: str, n_sets: int, how: str = "") -> QuantlabError:
    return fields.refuse(kind, f"makes {n_sets:,} parameter sets{how}; at most {MOST_SETS:,} are tried")


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
