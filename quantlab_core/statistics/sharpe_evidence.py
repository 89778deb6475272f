"""How much a Sharpe ratio proves: probabilistic and deflated Sharpe ratio, and the best that luck alone would reach.

Sharpe ratios here are per observation (per day for daily returns), **not** annualised: mean / standard deviation with
n - 1. Skew and kurtosis are moments of the sample (divisor n); kurtosis is not in excess: 3 for a normal distribution.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (Journal of Risk, 2012) and "The Deflated
Sharpe Ratio" (Journal of Portfolio Management, 2014); the standard error is that of Mertens (2002).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from quantlab_core.statistics.interval import Interval

ROUNDING = 1e-12
"""Deviations up to this size are rounding: nothing is divided by them."""
LEAST_DAYS = 20
"""Fewer daily returns give a Sharpe ratio no interval and no probability: the formulas are for large samples."""
EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class ReturnMoments:
    """What a Sharpe ratio and its standard error are made from. ``sharpe`` is per observation."""

    n: int
    sharpe: float
    skew: float
    kurtosis: float


def return_moments(returns: Sequence[float]) -> ReturnMoments | None:
    """Sharpe ratio, skew m3 / m2^1.5 and kurtosis m4 / m2^2; None below two observations or without variation."""
    n = len(returns)
    if n < 2:
        return None
    mean = math.fsum(returns) / n
    centred = [value - mean for value in returns]
    squares = math.fsum(value**2 for value in centred)
    deviation = math.sqrt(squares / (n - 1))
    if deviation <= ROUNDING:
        return None
    variance = squares / n
    skew = math.fsum(value**3 for value in centred) / n / variance**1.5
    kurtosis = math.fsum(value**4 for value in centred) / n / variance**2
    return ReturnMoments(n, mean / deviation, skew, kurtosis)


def sharpe_standard_error(moments: ReturnMoments) -> float:
    """Standard error of the Sharpe ratio: sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / (n - 1)).

    Mertens (2002), as in Bailey and López de Prado (2012). The bracket cannot be negative for moments of a sample,
    because kurtosis >= 1 + skew^2; rounding below 0 counts as 0.
    """
    bracket = 1.0 - moments.skew * moments.sharpe + (moments.kurtosis - 1.0) / 4.0 * moments.sharpe**2
    return math.sqrt(max(0.0, bracket) / (moments.n - 1))


def sharpe_interval(moments: ReturnMoments, level: float) -> Interval:
    """Sharpe ratio -/+ z standard errors, z the normal quantile of (1 + level) / 2."""
    reach = _NORMAL.inv_cdf((1.0 + level) / 2.0) * sharpe_standard_error(moments)
    return Interval(moments.sharpe - reach, moments.sharpe + reach)


def probabilistic_sharpe(moments: ReturnMoments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above ``benchmark``: Phi((SR - benchmark) / standard error).

    Bailey and López de Prado (2012), equation 11. Published: monthly returns with SR 0.458, n 24, skew -2.448, kurtosis
    10.164 give 0.913 against 0.
    """
    error = sharpe_standard_error(moments)
    distance = moments.sharpe - benchmark
    if error <= ROUNDING:
        return 0.5 if distance == 0 else float(distance > 0)
    return _NORMAL.cdf(distance / error)


def expected_max_sharpe(n_trials: int, sharpe_variance: float) -> float:
    """The Sharpe ratio that the best of ``n_trials`` independent trials without any skill is expected to show.

    sqrt(V) ((1 - g) Phi^-1(1 - 1/N) + g Phi^-1(1 - 1/(N e))), g the Euler-Mascheroni constant, V the variance of the
    trials' Sharpe ratios: Bailey and López de Prado (2014), equation 1. One trial has nothing to choose from: 0.
    """
    if n_trials <= 1 or sharpe_variance <= 0:
        return 0.0
    middle = _NORMAL.inv_cdf(1.0 - 1.0 / n_trials)
    upper = _NORMAL.inv_cdf(1.0 - 1.0 / (n_trials * math.e))
    return math.sqrt(sharpe_variance) * ((1.0 - EULER_GAMMA) * middle + EULER_GAMMA * upper)


def deflated_sharpe(moments: ReturnMoments, *, n_trials: int, sharpe_variance: float) -> float:
    """Probability that the true Sharpe ratio is above what luck gives the best of ``n_trials``.

    The probabilistic Sharpe ratio against `expected_max_sharpe`: Bailey and López de Prado (2014), equation 2.
    Published: SR 2.5 a year from 1,250 daily returns (250 a year), skew -3, kurtosis 10, 100 trials whose yearly Sharpe
    ratios have variance 1/2, give 0.9004. With one trial it is the probabilistic Sharpe ratio against 0.
    """
    return probabilistic_sharpe(moments, expected_max_sharpe(n_trials, sharpe_variance))
