"""The ``statistics`` block of an experiment: how much of its metrics is computed beyond their values.

An experiment without the block gets values alone. The block is part of an experiment's identity only where it is
given, so experiments made before it existed keep theirs; an empty one (``statistics: {}``) asks for the defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, cast, get_args

from quantlab_core.simulation.config_fields import ConfigFields
from quantlab_core.statistics.time_folds import MOST_FOLDS, Split, TimeFolds, TrainTest, WalkForward, Window

STATISTICS_KEYS = ("bootstrap", "split")
_SPLIT_KEYS: Mapping[str, tuple[str, ...]] = {
    "train_test": ("train_share", "test_from"),
    "walk_forward": ("train_days", "test_days", "window"),
    "folds": ("folds",),
}
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class StatisticsConfig:
    """``samples`` resamples of the tokens for intervals of ``level`` (0 samples: no intervals), and a split of time.

    ``embargo_h`` hours are kept free between training and test beyond the longest life of a trade.
    """

    samples: int = 1_000
    level: float = 0.95
    split: Split | None = None
    embargo_h: float = 0.0


@dataclass(frozen=True, slots=True)
class MetricStatistics:
    """What metrics hold beyond values: the ``statistics``, the experiment's seed, and the longest life of a trade."""

    config: StatisticsConfig
    seed: int
    longest_life_us: int


def parse_statistics(values: object) -> StatisticsConfig:
    """The statistics that a ``statistics`` block describes. Raises InvalidInputError naming the key."""
    fields = ConfigFields("statistics", values, STATISTICS_KEYS)
    bootstrap = ConfigFields("statistics bootstrap", fields.block("bootstrap"), ("samples", "level"))
    samples = bootstrap.whole("samples", 1_000, most=100_000)
    if samples is not None and 0 < samples < 100:
        raise bootstrap.refuse("samples", f"must be 0 (no intervals) or at least 100, got {samples}")
    level = bootstrap.number("level", 0.95, least=0.5, below=1)
    split, embargo_h = _parse_split(fields.block("split")) if "split" in fields else (None, 0.0)
    return StatisticsConfig(
        samples=1_000 if samples is None else samples,
        level=0.95 if level is None else level,
        split=split,
        embargo_h=embargo_h,
    )


def statistics_mapping(config: StatisticsConfig) -> dict[str, Any]:
    """The canonical mapping of ``config``, defaults written out; the inverse of `parse_statistics`."""
    mapping: dict[str, Any] = {"bootstrap": {"samples": config.samples, "level": config.level}}
    match config.split:
        case TrainTest(train_share, None):
            split: dict[str, Any] = {"kind": "train_test", "train_share": train_share}
        case TrainTest(_, test_from):
            split = {"kind": "train_test", "test_from": str(test_from)}
        case WalkForward(train_days, test_days, window):
            split = {"kind": "walk_forward", "train_days": train_days, "test_days": test_days, "window": window}
        case TimeFolds(folds):
            split = {"kind": "folds", "folds": folds}
        case None:
            return mapping
    return mapping | {"split": split | {"embargo_h": config.embargo_h}}


def _parse_split(values: object) -> tuple[Split, float]:
    keys = [key for of_kind in _SPLIT_KEYS.values() for key in of_kind]
    fields = ConfigFields("statistics split", values, ("kind", "embargo_h", *keys))
    if "kind" not in fields:
        raise fields.refuse("kind", f"is required: one of {', '.join(_SPLIT_KEYS)}")
    kind = fields.choice("kind", "", tuple(_SPLIT_KEYS))
    for key in keys:
        if key in fields and key not in _SPLIT_KEYS[kind]:
            raise fields.refuse(key, f"is no part of a {kind} split; it takes {', '.join(_SPLIT_KEYS[kind])}")
    return _SPLITS[kind](fields), fields.number("embargo_h", 0.0, least=0, most=24.0 * _LONGEST_DAYS) or 0.0


def _train_test(fields: ConfigFields) -> Split:
    share, text = fields.number("train_share", above=0, below=1), fields.text("test_from")
    if (share is None) == (text is None):
        raise fields.refuse("train_share", "or test_from is needed, and only one of them")
    if text is None:
        return TrainTest(train_share=share)
    try:
        return TrainTest(test_from=date.fromisoformat(text))
    except ValueError:
        raise fields.refuse("test_from", f"must be a date like 2025-05-01, got {text!r}") from None


def _walk_forward(fields: ConfigFields) -> Split:
    days = {key: fields.whole(key, least=1, most=_LONGEST_DAYS) for key in ("train_days", "test_days")}
    for key, value in days.items():
        if value is None:
            raise fields.refuse(key, "is required: whole days")
    window = cast(Window, fields.choice("window", "rolling", get_args(Window)))
    return WalkForward(cast(int, days["train_days"]), cast(int, days["test_days"]), window)


def _time_folds(fields: ConfigFields) -> Split:
    folds = fields.whole("folds", least=2, most=MOST_FOLDS)
    if folds is None:
        raise fields.refuse("folds", "is required: the number of blocks")
    return TimeFolds(folds)


_SPLITS = {"train_test": _train_test, "walk_forward": _walk_forward, "folds": _time_folds}
