"""Statistics of a sweep: the matrix of days by hand, and what choosing among many costs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import PCG64, Generator

from quantlab_core.statistics.sharpe_evidence import (
    deflated_sharpe,
    expected_max_sharpe,
    probabilistic_sharpe,
    return_moments,
)
from quantlab_core.statistics.sweep_statistics import daily_pnl_by_set, sweep_statistics

DAY_MS = 86_400_000


def noise(n_sets: int, n_days: int, seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return Generator(PCG64(seed)).normal(0.0, 0.02, (n_sets, n_days))


def test_every_trade_counts_on_the_day_of_its_exit() -> None:
    first = 20_000 * DAY_MS + 1
    exits = np.array([[first, first + 5, first + 2 * DAY_MS], [first + DAY_MS, 0, first + DAY_MS]])
    returns = np.array([[0.1, 0.2, -0.3], [0.5, np.nan, 0.25]])
    matrix = daily_pnl_by_set(returns, exits, first_ms=first)
    assert matrix == pytest.approx(np.array([[0.3, 0.0, -0.3], [0.0, 0.75, 0.0]]))


def test_without_any_trade_there_are_no_days() -> None:
    nothing = np.full((2, 3), np.nan)
    matrix = daily_pnl_by_set(nothing, np.zeros((2, 3), dtype=np.int64), first_ms=0)
    assert matrix.shape == (2, 0)
    found = sweep_statistics(matrix, nothing)
    assert (found.psr, found.dsr, found.overfitting.pbo, found.tail_share) == (None, None, None, None)


def test_the_best_set_is_judged_by_how_many_were_tried() -> None:
    matrix = noise(40, 60, 11)
    trades = np.full((40, 200), np.nan)
    trades[:, :150] = 0.01
    trades[:, 0] = 9.0
    found = sweep_statistics(matrix, trades)
    sharpes = matrix.mean(axis=1) / matrix.std(axis=1, ddof=1)
    assert (found.n_trials, found.n_days, found.best) == (40, 60, int(sharpes.argmax()))
    assert found.sharpe == pytest.approx(sharpes.max())
    moments = return_moments(matrix[found.best].tolist())
    assert moments is not None
    assert found.expected_max_sharpe == pytest.approx(expected_max_sharpe(40, sharpes.var(ddof=1)))
    assert found.psr == probabilistic_sharpe(moments)
    assert found.dsr == pytest.approx(deflated_sharpe(moments, n_trials=40, sharpe_variance=sharpes.var(ddof=1)))
    assert found.psr > 0.9 > found.dsr, "the best of 40 sets of noise looks certain until the choice is counted"
    # the best 2 of 150 trades: 9.01 of 10.49
    assert found.tail_share == pytest.approx(9.01 / 10.49)


def test_a_chosen_set_is_judged_instead_of_the_best() -> None:
    matrix = noise(5, 30, 2)
    assert sweep_statistics(matrix, matrix, chosen=3).best == 3


def test_what_cannot_be_said_has_its_reason() -> None:
    assert sweep_statistics(noise(5, 19, 2), noise(5, 19, 2)).reason == "19 days, at least 20 are needed"
    flat = sweep_statistics(np.zeros((3, 30)), np.zeros((3, 4)))
    assert (flat.best, flat.sharpe, flat.dsr) == (0, None, None)
    assert flat.reason == "the daily returns of the set do not vary"


def test_one_set_is_no_choice() -> None:
    found = sweep_statistics(noise(1, 40, 4), noise(1, 40, 4))
    assert found.dsr == found.psr
    assert found.overfitting.reason == "one parameter set: nothing was chosen"
