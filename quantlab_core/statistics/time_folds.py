"""Cutting time into what a strategy may be chosen on and what it is judged on: train/test, walk-forward, k folds.

An alert belongs to a block by when it was sent. A trade that lives across the border of its block would carry
knowledge over it, so training blocks keep a distance from their test block: the **longest life** that the strategy
allows (delay, wait for an entry, holding time), plus an embargo where one is given. The distance is the same for every
alert and known beforehand; dropping those whose trade really did cross would keep the quickly stopped ones and drop the
rest, which is a choice by outcome. Source: purging and embargo, López de Prado, "Advances in Financial Machine
Learning" (2018), chapter 7.

Times are epoch microseconds UTC, blocks half open, borders UTC midnights.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal

from quantlab_core.errors import InvalidInputError

DAY_US = 86_400_000_000
MOST_FOLDS = 100
_EPOCH = date(1970, 1, 1)

Window = Literal["anchored", "rolling"]


@dataclass(frozen=True, slots=True)
class TrainTest:
    """One cut: at the start of the day ``test_from``, or after ``train_share`` of the days, rounded to a whole one."""

    train_share: float | None = None
    test_from: date | None = None


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Test blocks of ``test_days`` one after the other, each after training on the days before it.

    ``rolling`` trains on the ``train_days`` before the test, ``anchored`` on all days from the first on. The last test
    block may be cut short by the end of the alerts.
    """

    train_days: int
    test_days: int
    window: Window = "rolling"


@dataclass(frozen=True, slots=True)
class TimeFolds:
    """The days in ``folds`` blocks, as equal as whole days allow; each is tested once, all others train."""

    folds: int


Split = TrainTest | WalkForward | TimeFolds


@dataclass(frozen=True, slots=True)
class Block:
    """[start, end) in epoch microseconds UTC."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Fold:
    """Where to choose (``train``, distances already taken off; empty when they take all) and where to judge (``test``).

    ``label`` is empty for a single cut, else ``01``, ``02``, …
    """

    label: str
    train: tuple[Block, ...]
    test: Block


def cut_time(
    split: Split, *, first_alert_us: int, last_alert_us: int, longest_life_us: int, embargo_us: int = 0
) -> tuple[Fold, ...]:
    """The folds of the days from the first to the last alert, in time order.

    Raises InvalidInputError when these days are too few for the split, or for more than `MOST_FOLDS` folds.
    """
    first, end = first_alert_us // DAY_US, last_alert_us // DAY_US + 1
    tests = _test_days(split, first, end)
    if len(tests) > MOST_FOLDS:
        raise InvalidInputError(f"statistics split: makes {len(tests)} folds, at most {MOST_FOLDS}; use longer blocks")
    distance = longest_life_us + embargo_us
    return tuple(
        Fold(
            "" if isinstance(split, TrainTest) else f"{number:02d}",
            _train_blocks(split, first, end, test, distance),
            Block(test[0] * DAY_US, test[1] * DAY_US),
        )
        for number, test in enumerate(tests, start=1)
    )


def _test_days(split: Split, first: int, end: int) -> list[tuple[int, int]]:
    n_days = end - first
    match split:
        case TrainTest():
            cut = _cut_day(split, first, n_days)
            if not first < cut < end:
                raise InvalidInputError(
                    f"statistics split: the cut leaves no day on one side of the {n_days} days with alerts from"
                    f" {_day(first)} to {_day(end - 1)}"
                )
            return [(cut, end)]
        case WalkForward():
            starts = range(first + split.train_days, end, split.test_days)
            if not starts:
                raise InvalidInputError(
                    f"statistics split: train_days {split.train_days} leaves nothing to test of the {n_days} days with"
                    f" alerts from {_day(first)} to {_day(end - 1)}"
                )
            return [(start, min(start + split.test_days, end)) for start in starts]
        case TimeFolds():
            if n_days < split.folds:
                raise InvalidInputError(
                    f"statistics split: {split.folds} folds need at least as many days, the alerts lie on {n_days}"
                )
            borders = [first + n_days * number // split.folds for number in range(split.folds + 1)]
            return list(pairwise(borders))


def _cut_day(split: TrainTest, first: int, n_days: int) -> int:
    if split.test_from is not None:
        return (split.test_from - _EPOCH).days
    return first + round((split.train_share or 0.0) * n_days)


def _train_blocks(split: Split, first: int, end: int, test: tuple[int, int], distance_us: int) -> tuple[Block, ...]:
    start = test[0] - split.train_days if isinstance(split, WalkForward) and split.window == "rolling" else first
    blocks = [Block(start * DAY_US, test[0] * DAY_US - distance_us)]
    if isinstance(split, TimeFolds):
        blocks.append(Block(test[1] * DAY_US + distance_us, end * DAY_US))
    return tuple(block for block in blocks if block.start_us < block.end_us)


def _day(number: int) -> date:
    return date.fromordinal(_EPOCH.toordinal() + number)
