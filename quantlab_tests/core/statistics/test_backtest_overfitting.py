"""Probability of backtest overfitting: by hand on four days, near 1/2 for noise, 0 for a set that is truly best."""

from __future__ import annotations

from itertools import combinations
from statistics import mean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import PCG64, Generator

from quantlab_core.statistics.backtest_overfitting import backtest_overfitting


def noise(n_sets: int, n_days: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return Generator(PCG64(seed)).normal(0.0, 0.02, (n_sets, n_days))


def plain_pbo(matrix: list[list[float]]) -> float:
    """The published algorithm on blocks of one day, set by set, without any shortcut."""
    days, n_sets = range(len(matrix[0])), len(matrix)
    overfitted = splits = 0
    for chosen in combinations(days, len(days) // 2):
        rest = [day for day in days if day not in chosen]
        training = [_sharpe([row[day] for day in chosen]) for row in matrix]
        test = [_sharpe([row[day] for day in rest]) for row in matrix]
        of_winner = test[training.index(max(training))]
        rank = sum(value < of_winner for value in test) + (sum(value == of_winner for value in test) + 1) / 2
        overfitted += rank / (n_sets + 1) <= 0.5
        splits += 1
    return overfitted / splits


def _sharpe(returns: list[float]) -> float:
    return mean(returns) / stdev(returns)


def test_four_days_by_hand() -> None:
    # days 1 to 4; A earns on the first two, B on the last two, a little noise for the deviation
    matrix = np.array([[0.10, 0.12, -0.10, -0.12], [-0.11, -0.09, 0.09, 0.11]])
    found = backtest_overfitting(matrix)
    assert (found.n_blocks, found.n_splits) == (4, 6)
    # days 12 | 34 and 34 | 12: the winner of one half loses the other. 13, 14, 23, 24: see the plain algorithm
    assert found.pbo == plain_pbo(matrix.tolist())
    assert found.pbo >= 2 / 6
    assert found.probability_of_loss is not None
    assert found.probability_of_loss >= 2 / 6


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(2, 5), st.sampled_from([4, 6, 8]), st.integers(0, 10_000))
def test_the_shortcut_gives_what_the_published_algorithm_gives(n_sets: int, n_days: int, seed: int) -> None:
    matrix = noise(n_sets, n_days, seed)
    assert backtest_overfitting(matrix).pbo == plain_pbo(matrix.tolist())


def test_sets_that_are_alike_share_the_mean_of_their_ranks() -> None:
    # both sets are one: rank 1.5 of 2, in the middle, in every split
    assert backtest_overfitting(np.repeat(noise(1, 8, 3), 2, axis=0)).pbo == 1
    # three of four sets are the best: rank 3 of 4 when the fourth is below them
    matrix = np.repeat(noise(1, 8, 3), 4, axis=0)
    matrix[0] -= 0.5
    assert backtest_overfitting(matrix).pbo == 0
    for seed in range(5):
        drawn = noise(4, 8, seed)[[0, 1, 1, 2, 3, 3]]
        assert backtest_overfitting(drawn).pbo == plain_pbo(drawn.tolist())


def test_noise_is_overfitted_half_the_time() -> None:
    found = [backtest_overfitting(noise(20, 64, seed)).pbo for seed in range(12)]
    assert np.mean([value for value in found if value is not None]) == pytest.approx(0.5, abs=0.12)


def test_a_set_that_is_truly_best_is_not_overfitted() -> None:
    matrix = noise(50, 96, 3)
    matrix[17] += 0.03
    found = backtest_overfitting(matrix)
    assert (found.n_blocks, found.n_splits) == (16, 12_870)
    assert found.pbo == 0
    assert found.probability_of_loss == 0


@pytest.mark.parametrize(("n_days", "n_blocks"), [(4, 4), (5, 4), (15, 14), (16, 16), (17, 16), (40, 16)])
def test_blocks_are_sixteen_or_the_largest_even_number_of_days(n_days: int, n_blocks: int) -> None:
    assert backtest_overfitting(noise(3, n_days, 1)).n_blocks == n_blocks


def test_too_little_to_say_gives_the_reason() -> None:
    too_short = backtest_overfitting(noise(5, 3, 1))
    assert (too_short.pbo, too_short.reason) == (None, "3 days make fewer than 4 blocks")
    alone = backtest_overfitting(noise(1, 60, 1))
    assert (alone.pbo, alone.reason) == (None, "one parameter set: nothing was chosen")


def test_sets_that_never_trade_do_not_break_it() -> None:
    matrix = noise(4, 32, 9)
    matrix[1:3] = 0.0
    found = backtest_overfitting(matrix)
    assert found.pbo is not None
    assert 0 <= found.pbo <= 1


def test_chunks_of_splits_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = backtest_overfitting(noise(30, 24, 5))
    monkeypatch.setattr("quantlab_core.statistics.backtest_overfitting._CELLS_AT_ONCE", 500)
    assert backtest_overfitting(noise(30, 24, 5)) == whole
