"""Bootstrap of tokens: what a resample is, worked by hand against a plain one, and the laws of its intervals."""

from __future__ import annotations

import time
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import PCG64, Generator

from quantlab_core.simulation.trade_statistics import quantile
from quantlab_core.statistics.interval import UNKNOWN, Interval
from quantlab_core.statistics.token_bootstrap import Floats, Resamples, Whole, percentile_interval, token_resamples

SHARES = (0.05, 0.5, 0.75)


def drawn(tokens: list[int], values: list[float], *, samples: int = 50, seed: int = 7) -> Resamples:
    columns = (np.ones(len(values)), np.array(values))
    return token_resamples(
        np.array(tokens), columns, samples=samples, seed=seed, values=np.array(values), shares=SHARES
    )


def plain_resamples(
    tokens: list[int], values: list[float], *, samples: int, seed: int
) -> tuple[list[float], list[list[float | None]]]:
    """Means and quantiles of resamples written out trade by trade, from the same random words."""
    n = max(tokens) + 1
    words = PCG64(seed)
    means, quantiles = [], []
    for _ in range(samples):
        halves = [half for word in words.random_raw((n + 1) // 2).tolist() for half in (word >> 32, word & 0xFFFFFFFF)]
        chosen = [half * n >> 32 for half in halves[:n]]
        resample = sorted(value for token in chosen for of, value in zip(tokens, values, strict=True) if of == token)
        means.append(sum(resample) / len(resample))
        quantiles.append([quantile(resample, share) for share in SHARES])
    return means, quantiles


TRADES = st.lists(st.tuples(st.integers(0, 8), st.floats(-1, 20)), min_size=1, max_size=40)


def numbered(trades: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    names = sorted({token for token, _ in trades})
    return [names.index(token) for token, _ in trades], [value for _, value in trades]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TRADES, st.integers(0, 2**40))
def test_resamples_equal_those_written_out_trade_by_trade(trades: list[tuple[int, float]], seed: int) -> None:
    tokens, values = numbered(trades)
    fast = drawn(tokens, values, samples=8, seed=seed)
    means, quantiles = plain_resamples(tokens, values, samples=8, seed=seed)
    assert fast.sums[:, 1] / fast.sums[:, 0] == pytest.approx(means, abs=1e-12)
    assert fast.quantiles.tolist() == quantiles


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TRADES, st.integers(0, 100), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_size_of_chunks_leave_no_trace(
    trades: list[tuple[int, float]], seed: int, order: Random
) -> None:
    tokens, values = numbered(trades)
    shuffled = list(zip(tokens, values, strict=True))
    order.shuffle(shuffled)
    first = drawn(tokens, values, seed=seed)
    second = drawn([token for token, _ in shuffled], [value for _, value in shuffled], seed=seed)
    assert first.sums.tobytes() == second.sums.tobytes()
    assert first.quantiles.tobytes() == second.quantiles.tobytes()
    # 50 resamples are the first 50 of 200
    assert drawn(tokens, values, samples=200, seed=seed).sums[:50].tobytes() == first.sums.tobytes()


def test_the_sum_of_a_token_is_made_in_one_order() -> None:
    # (0.1 + 0.2) + 0.3 is not 0.1 + (0.2 + 0.3) in binary
    orders = [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]]
    assert len({drawn([0, 0, 0], values).sums.tobytes() for values in orders}) == 1


def test_equal_seeds_give_equal_bits_and_others_do_not() -> None:
    tokens, values = [0, 0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0, 5.0]
    assert drawn(tokens, values, seed=3).sums.tobytes() == drawn(tokens, values, seed=3).sums.tobytes()
    assert drawn(tokens, values, seed=3).sums.tobytes() != drawn(tokens, values, seed=4).sums.tobytes()


def test_the_bits_of_one_bootstrap_are_those_of_always() -> None:
    # frozen: results that were published must come out again, whatever numpy
    resamples = drawn([0, 0, 1, 2, 3], [0.1, 0.2, -0.4, 1.5, 0.0], samples=3, seed=42)
    assert [value.hex() for value in resamples.sums[:, 1].tolist()] == FROZEN


FROZEN = ["0x1.6666666666666p+0", "0x1.6666666666666p+0", "0x1.0cccccccccccdp+1"]


def test_trades_of_one_token_are_drawn_together() -> None:
    # two tokens of three trades each: a resample holds 0, 3 or 6 trades of the first, never 1
    resamples = token_resamples(
        np.array([0, 0, 0, 1, 1, 1]),
        (np.array([1.0, 1, 1, 0, 0, 0]),),
        samples=200,
        seed=1,
        values=np.zeros(6),
        shares=(),
    )
    assert set(resamples.sums[:, 0].tolist()) == {0.0, 3.0, 6.0}


def test_correlated_trades_widen_the_interval() -> None:
    # 100 tokens with 10 equal trades each know as much as 100 trades, not as 1,000
    outcomes = Generator(PCG64(5)).normal(0, 1, 100)
    values = np.repeat(outcomes, 10)
    by_token = mean_interval(np.repeat(np.arange(100), 10), values)
    by_trade = mean_interval(np.arange(1_000), values)
    assert width(by_token) == pytest.approx(width(by_trade) * 10**0.5, rel=0.15)


def mean_interval(tokens: Whole, values: Floats) -> Interval:
    sums = token_resamples(tokens, (values, np.ones(len(values))), samples=1_000, seed=1, values=values, shares=()).sums
    return percentile_interval(sums[:, 0] / sums[:, 1], 0.95)


def width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.01, 5), min_size=5, max_size=25), st.integers(0, 1_000))
def test_the_interval_of_a_symmetric_sample_holds_its_mean(half: list[float], seed: int) -> None:
    values = np.array([*half, *(-value for value in half)])
    sums = token_resamples(np.arange(len(values)), (values,), samples=500, seed=seed, values=values, shares=()).sums
    interval = percentile_interval(sums[:, 0], 0.95)
    assert interval.low is not None
    assert interval.high is not None
    assert interval.low <= 0 <= interval.high


def test_an_interval_takes_the_values_of_its_ranks() -> None:
    # 999 resamples at 95 %: rank floor(1000 x 0.025) = 25 from either end
    assert percentile_interval(np.arange(1.0, 1_000.0), 0.95) == Interval(25.0, 975.0)
    assert percentile_interval(np.arange(1.0, 100.0), 0.9) == Interval(5.0, 95.0)


def test_a_bound_that_is_not_finite_is_unknown() -> None:
    values = np.arange(1.0, 1_000.0)
    values[900:] = np.inf
    assert percentile_interval(values, 0.95) == Interval(25.0, None)
    values[3] = np.nan
    assert percentile_interval(values, 0.95) == UNKNOWN


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.floats(-1, 10), min_size=2, max_size=30), st.floats(0.5, 0.9), st.floats(0.9, 0.99))
def test_a_higher_level_never_narrows_an_interval(values: list[float], lower: float, higher: float) -> None:
    narrow, wide = (percentile_interval(np.array(values), level) for level in (lower, higher))
    assert narrow.low is not None
    assert wide.low is not None
    assert narrow.high is not None
    assert wide.high is not None
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_a_thousand_resamples_of_twenty_thousand_trades_take_no_two_seconds() -> None:
    numbers = Generator(PCG64(2))
    tokens = np.unique(numbers.integers(0, 3_641, 20_000), return_inverse=True)[1]
    values = numbers.lognormal(-0.3, 1.0, 20_000)
    start = time.process_time()
    token_resamples(tokens, (values,) * 5, samples=1_000, seed=1, values=values, shares=(0.05, 0.25, 0.5, 0.75, 0.95))
    assert time.process_time() - start < 2
