"""Means of many groups, pulled towards the mean of all as far as their differences may be luck.

Empirical Bayes for a one-way layout with normal noise: Efron and Morris, "Data Analysis Using Stein's Estimator and its
Generalizations" (Journal of the American Statistical Association, 1975); the variance between groups by the method of
moments for groups of unequal size (Searle, Casella and McCulloch, "Variance Components", 1992, section 3.6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShrunkMeans:
    """The shrunk ``means`` of the groups, and what they were made from; empty when the noise cannot be told."""

    means: Mapping[str, float]
    overall: float | None
    variance_within: float | None
    variance_between: float | None


def shrunk_means(groups: Mapping[str, Sequence[float]]) -> ShrunkMeans:
    """The shrunk mean of every group that has observations.

    With n_g observations of mean m_g in group g, N in all, G groups, m the mean of all N:
    within s2 = sum of squared deviations from the groups' means / (N - G);
    between t2 = max(0, (sum n_g (m_g - m)^2 - (G - 1) s2) / (N - sum n_g^2 / N));
    overall mu = sum w_g m_g / sum w_g with w_g = 1 / (t2 + s2 / n_g);
    shrunk mean = mu + t2 / (t2 + s2 / n_g) (m_g - mu).
    The noise s2 is one for all groups: a group of three lucky trades has no small error of its own. Without any
    difference beyond noise (t2 = 0) all groups get mu. Needs two groups and a group of two; else nothing is returned.
    """
    filled = {name: values for name, values in sorted(groups.items()) if values}
    sizes = {name: len(values) for name, values in filled.items()}
    n, n_groups = sum(sizes.values()), len(filled)
    if n_groups < 2 or n <= n_groups:
        return ShrunkMeans({}, None, None, None)
    means = {name: math.fsum(values) / len(values) for name, values in filled.items()}
    grand = math.fsum(value for values in filled.values() for value in values) / n
    within = math.fsum((value - means[name]) ** 2 for name, values in filled.items() for value in values)
    within /= n - n_groups
    spread = math.fsum(sizes[name] * (means[name] - grand) ** 2 for name in filled)
    between = max(0.0, (spread - (n_groups - 1) * within) / (n - math.fsum(size**2 for size in sizes.values()) / n))
    errors = {name: between + within / sizes[name] for name in filled}
    if min(errors.values()) <= 0:
        return ShrunkMeans(means, grand, within, between)
    weights = {name: 1.0 / error for name, error in errors.items()}
    overall = math.fsum(weights[name] * means[name] for name in filled) / math.fsum(weights.values())
    shrunk = {name: overall + between / errors[name] * (means[name] - overall) for name in filled}
    return ShrunkMeans(shrunk, overall, within, between)
