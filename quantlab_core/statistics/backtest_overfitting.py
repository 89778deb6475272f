"""Probability of backtest overfitting: how often the best parameter set of one half of the time is in the lower half of
all sets on the other.

Combinatorially symmetric cross-validation (CSCV): Bailey, Borwein, López de Prado and Zhu, "The Probability of Backtest
Overfitting" (Journal of Computational Finance, 2017; first published 2015). Time is cut into S blocks; each of the
C(S, S / 2) ways to choose half of them is a training half, the rest its test half.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from quantlab_core.statistics.sharpe_evidence import ROUNDING

Floats = npt.NDArray[np.float64]

MOST_BLOCKS = 16
LEAST_BLOCKS = 4
_CELLS_AT_ONCE = 1_000_000


@dataclass(frozen=True, slots=True)
class Overfitting:
    """``pbo`` is the share of splits whose training winner ends in the lower half of the test; None with a ``reason``.

    ``probability_of_loss`` is the share of splits whose training winner has a test Sharpe ratio below 0.
    """

    pbo: float | None
    probability_of_loss: float | None
    n_blocks: int
    n_splits: int
    reason: str | None = None


def backtest_overfitting(daily_returns: Floats) -> Overfitting:
    """PBO of a matrix of daily returns, (parameter sets, days), with the Sharpe ratio as measure.

    S is 16, or the largest even number with at least one day a block; blocks differ by one day at most. A set without
    variation in a half has the Sharpe ratio 0 there. The winner is the set with the highest Sharpe ratio in training,
    the first of equals; its relative rank in the test is w = rank / (N + 1), equals sharing the mean of their ranks; a
    split counts as overfitted when log(w / (1 - w)) <= 0. Undefined (None, with the reason) under 4 blocks or 2 sets.
    """
    n_sets, n_days = daily_returns.shape
    n_blocks = min(MOST_BLOCKS, n_days - n_days % 2)
    if n_sets < 2:
        return Overfitting(None, None, 0, 0, "one parameter set: nothing was chosen")
    if n_blocks < LEAST_BLOCKS:
        return Overfitting(None, None, 0, 0, f"{n_days} days make fewer than {LEAST_BLOCKS} blocks")
    blocks = np.array_split(daily_returns, n_blocks, axis=1)
    sums = np.stack([block.sum(axis=1) for block in blocks])
    squares = np.stack([(block**2).sum(axis=1) for block in blocks])
    days = np.array([block.shape[1] for block in blocks], dtype=np.float64)
    overfitted = losses = splits = 0
    for chosen in _halves(n_blocks, at_once=max(1, _CELLS_AT_ONCE // n_sets)):
        halves = _sharpe(chosen, sums, squares, days), _sharpe(~chosen, sums, squares, days)
        for training, test in (halves, halves[::-1]):
            winner = np.argmax(training, axis=1)
            of_winner = np.take_along_axis(test, winner[:, None], axis=1)
            below, equal = (test < of_winner).sum(axis=1), (test == of_winner).sum(axis=1)
            rank = below + (equal + 1) / 2.0
            overfitted += int((rank * 2.0 <= n_sets + 1).sum())
            losses += int((of_winner < 0).sum())
            splits += len(chosen)
    return Overfitting(overfitted / splits, losses / splits, n_blocks, splits)


def _halves(n_blocks: int, *, at_once: int) -> Iterator[npt.NDArray[np.bool_]]:
    """The halves that hold the first block, (up to ``at_once``, blocks) at a time; the other splits swap the halves."""
    others = list(combinations(range(1, n_blocks), n_blocks // 2 - 1))
    chosen = np.zeros((len(others), n_blocks), dtype=np.bool_)
    chosen[:, 0] = True
    np.put_along_axis(chosen, np.array(others), True, axis=1)
    for start in range(0, len(chosen), at_once):
        yield chosen[start : start + at_once]


def _sharpe(chosen: npt.NDArray[np.bool_], sums: Floats, squares: Floats, days: Floats) -> Floats:
    """Sharpe ratio of every set over the chosen blocks of every split. Added block by block: the same bits anywhere."""
    total = np.zeros((len(chosen), sums.shape[1]))
    total_squares = np.zeros_like(total)
    n = np.zeros((len(chosen), 1))
    for block in range(len(days)):
        weight = chosen[:, block : block + 1].astype(np.float64)
        total += weight * sums[block]
        total_squares += weight * squares[block]
        n += weight * days[block]
    mean = total / n
    variance = np.maximum(total_squares - total * mean, 0.0) / np.maximum(n - 1.0, 1.0)
    deviation = np.sqrt(variance)
    has_variation = deviation > ROUNDING + 1e-8 * np.abs(mean)
    return np.asarray(np.where(has_variation, mean / np.where(has_variation, deviation, 1.0), 0.0))
