"""Bounds of a rate from few observations.

Wilson's score interval keeps inside [0, 1] and gives an honest bound where the plain normal one has width 0 (no hit, or
only hits). Source: Wilson, "Probable Inference" (Journal of the American Statistical Association, 1927); recommended
for small n by Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion" (Statistical Science, 2001).
"""

from __future__ import annotations

import math
from statistics import NormalDist

from quantlab_core.statistics.interval import UNKNOWN, Interval

_NORMAL = NormalDist()


def wilson_interval(rate: float, n: float, level: float) -> Interval:
    """Two-sided interval of a rate seen in ``n`` independent observations; unbounded without any.

    (p + z^2/2n -/+ z sqrt(p (1 - p)/n + z^2/4n^2)) / (1 + z^2/n), z the normal quantile of (1 + level) / 2.
    """
    if n <= 0:
        return UNKNOWN
    z = _NORMAL.inv_cdf((1.0 + level) / 2.0)
    centre = rate + z * z / (2.0 * n)
    reach = z * math.sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n))
    scale = 1.0 + z * z / n
    return Interval(max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale))


def wilson_lower_bound(rate: float, n: float, level: float) -> float | None:
    """One-sided lower bound: the true rate is above it with probability ``level``. None without observations."""
    return wilson_interval(rate, n, 2.0 * level - 1.0).low
