"""Evidence of Sharpe ratios: the published examples, an independent library's values, and the laws that must hold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.simulation.equity_statistics import calmar, max_drawdown, sharpe_daily_365, sortino
from quantlab_core.statistics.sharpe_evidence import (
    ReturnMoments,
    deflated_sharpe,
    expected_max_sharpe,
    probabilistic_sharpe,
    return_moments,
    sharpe_interval,
    sharpe_standard_error,
)

TEN_DAYS = [0.03, -0.02, 0.01, 0.0, -0.05, 0.08, 0.02, -0.01, 0.04, -0.03]
RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=5, max_size=60)


def test_the_deflated_sharpe_ratio_of_the_published_example() -> None:
    # Bailey and López de Prado (2014): 2.5 a year, 1,250 days at 250 a year, 100 trials with yearly variance 1/2
    moments = ReturnMoments(n=1_250, sharpe=2.5 / math.sqrt(250), skew=-3.0, kurtosis=10.0)
    assert expected_max_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)
    assert deflated_sharpe(moments, n_trials=100, sharpe_variance=0.5 / 250) == pytest.approx(0.9004, abs=5e-5)


def test_the_probabilistic_sharpe_ratio_of_the_published_example() -> None:
    # Bailey and López de Prado (2012): 24 monthly returns with SR 0.458; and were they normal
    assert probabilistic_sharpe(ReturnMoments(24, 0.458, -2.448, 10.164)) == pytest.approx(0.913, abs=5e-4)
    assert probabilistic_sharpe(ReturnMoments(24, 0.458, 0.0, 3.0)) == pytest.approx(0.982, abs=5e-4)


def test_moments_by_hand() -> None:
    # mean 2, deviations -1, 0, 1 -> n - 1 deviation 1, m2 2/3, m3 0, m4 2/3
    moments = return_moments([1.0, 2.0, 3.0])
    assert moments == ReturnMoments(3, 2.0, 0.0, pytest.approx(1.5))
    # SE^2 = (1 - 0 + 0.5 / 4 x 4) / 2
    assert moments is not None
    assert sharpe_standard_error(moments) == pytest.approx(math.sqrt(0.75))
    assert return_moments([0.1]) is None
    assert return_moments([0.1, 0.1, 0.1]) is None


def test_values_agree_with_quantstats_and_empyrical() -> None:
    """Golden numbers of quantstats 0.0.86 and empyrical-reloaded 0.7.1 for ``s = pandas.Series(TEN_DAYS)``.

    ``empyrical.sharpe_ratio(s, annualization=365)``, ``quantstats.stats.sharpe(s, periods=365)``: 3.5447953;
    ``empyrical.sortino_ratio(s, annualization=365)``, ``quantstats.stats.sortino(s, periods=365)``: 6.7719255;
    ``empyrical.calmar_ratio(s, annualization=365)``, ``quantstats.stats.calmar(s, periods=365)``: 153.2643253;
    ``empyrical.max_drawdown(s)``, ``quantstats.stats.max_drawdown(s)``: -0.05969;
    ``quantstats.stats.probabilistic_ratio(s)``: 0.7176800, with the skew and kurtosis of pandas, which correct for
    small samples: ``quantstats.stats.skew(s)`` 0.4618402, ``quantstats.stats.kurtosis(s)`` 0.2867893 in excess.
    """
    equity = [1.0]
    for value in TEN_DAYS:
        equity.append(equity[-1] * (1 + value))
    assert sharpe_daily_365(TEN_DAYS) == pytest.approx(3.544795307276824, rel=1e-12)
    assert sortino(TEN_DAYS) == pytest.approx(6.771925454327915, rel=1e-12)
    assert calmar(equity) == pytest.approx(153.26432526548882, rel=1e-12)
    assert max_drawdown(equity) == pytest.approx(-0.05969, rel=1e-12)
    moments = return_moments(TEN_DAYS)
    assert moments is not None
    corrected = ReturnMoments(10, moments.sharpe, 0.46184021893562316, 3 + 0.2867892655584134)
    assert probabilistic_sharpe(corrected) == pytest.approx(0.7176800190226306, rel=1e-12)


def test_one_trial_deflates_nothing() -> None:
    moments = return_moments(TEN_DAYS)
    assert moments is not None
    assert deflated_sharpe(moments, n_trials=1, sharpe_variance=0.5) == probabilistic_sharpe(moments)
    assert deflated_sharpe(moments, n_trials=50, sharpe_variance=0.0) == probabilistic_sharpe(moments)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(RETURNS, st.floats(1e-6, 1.0), st.integers(1, 5_000), st.integers(1, 5_000))
def test_the_more_was_tried_the_less_the_best_proves(
    returns: list[float], variance: float, one: int, other: int
) -> None:
    moments = return_moments(returns)
    if moments is None:
        return
    fewer, more = sorted((one, other))
    assert expected_max_sharpe(fewer, variance) <= expected_max_sharpe(more, variance)
    assert deflated_sharpe(moments, n_trials=more, sharpe_variance=variance) <= deflated_sharpe(
        moments, n_trials=fewer, sharpe_variance=variance
    )


@settings(max_examples=80, deadline=None, derandomize=True)
@given(RETURNS, st.floats(0.5, 0.999))
def test_intervals_hold_the_estimate_and_agree_with_the_probability(returns: list[float], level: float) -> None:
    moments = return_moments(returns)
    if moments is None:
        return
    interval = sharpe_interval(moments, level)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= moments.sharpe <= interval.high
    if sharpe_standard_error(moments) > 1e-9:
        assert probabilistic_sharpe(moments, interval.low) == pytest.approx((1 + level) / 2)
