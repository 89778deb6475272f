"""Bounds of rates and shrunk means: worked by hand, and the laws that keep luck from winning."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.statistics.interval import UNKNOWN
from quantlab_core.statistics.rate_bounds import wilson_interval, wilson_lower_bound
from quantlab_core.statistics.shrunk_means import shrunk_means
from quantlab_core.statistics.tail_share import tail_share

GROUPS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.floats(-1, 5), max_size=8), max_size=6)


def test_wilson_by_hand() -> None:
    # z 1.96, 3 of 10: centre (0.3 + 0.19207) / 1.38415, reach 1.96 sqrt(0.021 + 0.0096) / 1.38415
    interval = wilson_interval(0.3, 10, 0.95)
    assert interval.low == pytest.approx(0.10779, abs=1e-5)
    assert interval.high == pytest.approx(0.60322, abs=1e-5)


def test_a_rate_of_one_in_three_calls_is_not_certain() -> None:
    # all of n hit: the one-sided bound is n / (n + z^2), z 1.645
    assert wilson_lower_bound(1.0, 3, 0.95) == pytest.approx(3 / (3 + 1.6448536269514722**2))
    assert wilson_lower_bound(0.0, 3, 0.95) == 0
    assert wilson_lower_bound(0.0, 0, 0.95) is None
    assert wilson_interval(0.0, 0, 0.95) == UNKNOWN


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(1, 500), st.floats(0, 1), st.floats(0.5, 0.99))
def test_wilson_holds_the_rate_and_stays_a_rate(n: int, rate: float, level: float) -> None:
    interval = wilson_interval(rate, n, level)
    assert interval.low is not None
    assert interval.high is not None
    assert 0 <= interval.low <= rate + 1e-12
    assert rate - 1e-12 <= interval.high <= 1
    more = wilson_lower_bound(rate, n * 2, level)
    assert more is not None
    assert more >= (wilson_lower_bound(rate, n, level) or 0) - 1e-12


def test_shrunk_means_by_hand() -> None:
    # means 2, 0; grand mean 1.2; within (2 x 1 + 0 + 2) / (5 - 2): a: 1, 3, 2 and b: -1, 1
    found = shrunk_means({"a": [1.0, 3.0, 2.0], "b": [-1.0, 1.0]})
    within = (1 + 1 + 0 + 1 + 1) / 3
    between = (3 * 0.8**2 + 2 * 1.2**2 - within) / (5 - 13 / 5)
    errors = between + within / 3, between + within / 2
    overall = (2 / errors[0]) / (1 / errors[0] + 1 / errors[1])
    assert found.variance_within == pytest.approx(within)
    assert found.variance_between == pytest.approx(between)
    assert found.overall == pytest.approx(overall)
    assert found.means["a"] == pytest.approx(overall + between / errors[0] * (2 - overall))
    assert found.means["b"] == pytest.approx(overall + between / errors[1] * (0 - overall))


def test_groups_that_differ_by_noise_alone_all_get_the_mean_of_all() -> None:
    found = shrunk_means({"a": [1.0, -1.0], "b": [1.0, -1.0, 0.0]})
    assert found.variance_between == 0
    assert found.means == {"a": pytest.approx(0), "b": pytest.approx(0)}


def test_one_lucky_call_does_not_beat_a_hundred_good_ones() -> None:
    steady = [0.5 + (number % 5 - 2) * 0.4 for number in range(100)]
    others = {f"c{number}": [-0.3 + (k % 5 - 2) * 0.4 for k in range(20)] for number in range(8)}
    scores = shrunk_means({"steady": steady, "lucky": [0.9], **others}).means
    assert scores["steady"] > scores["lucky"]


def test_without_a_way_to_tell_noise_there_is_no_score() -> None:
    assert shrunk_means({}).means == {}
    assert shrunk_means({"a": [1.0, 2.0]}).means == {}
    assert shrunk_means({"a": [1.0], "b": [2.0]}).means == {}
    assert shrunk_means({"a": [1.0, 1.0], "b": [2.0], "c": []}).means == {"a": 1.0, "b": 2.0}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(GROUPS)
def test_shrinking_keeps_every_mean_between_its_own_and_that_of_all(groups: dict[str, list[float]]) -> None:
    found = shrunk_means(groups)
    for name, shrunk in found.means.items():
        own = math.fsum(groups[name]) / len(groups[name])
        assert found.overall is not None
        low, high = sorted((own, found.overall))
        assert low - 1e-9 <= shrunk <= high + 1e-9
    assert found == shrunk_means(dict(reversed(groups.items())))


def test_the_tail_share_by_hand() -> None:
    assert tail_share([5.0, 3.0, -4.0]) == pytest.approx(5 / 4)
    assert tail_share([1.0] * 150) == pytest.approx(2 / 150)
    assert tail_share([1.0, -1.0]) is None
    assert tail_share([]) is None
