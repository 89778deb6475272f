"""Bootstrap that draws tokens, not trades.

Calls of one token share its price path, so its trades are no independent observations; drawn one by one they would make
every interval too narrow. A resample draws as many tokens as there are, with replacement, and takes all trades of each
draw: the pairs cluster bootstrap (Cameron, Gelbach and Miller, "Bootstrap-Based Improvements for Inference with
Clustered Errors", Review of Economics and Statistics, 2008). Intervals are percentile intervals (Efron and Tibshirani,
"An Introduction to the Bootstrap", 1993, chapter 13): they stay inside the range of the metric and need no formula for
its error.

Equal seed, equal bits, on any machine and in any order of the rows: draws are made from the raw PCG64 words, whose
stream numpy guarantees across versions; sums over tokens are numpy's pairwise sums, no matrix products.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import PCG64

from quantlab_core.statistics.interval import UNKNOWN, Interval

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

_CELLS_AT_ONCE = 1_000_000
"""Resamples are made in chunks of so many (resample, observation) cells: some 20 MB, whatever their number."""


@dataclass(frozen=True, slots=True, eq=False)
class Resamples:
    """What each resample says: ``sums[b, k]`` of column k, ``quantiles[b, q]`` of share q."""

    sums: Floats
    quantiles: Floats


def token_resamples(
    tokens: Whole, columns: Sequence[Floats], *, samples: int, seed: int, values: Floats, shares: Sequence[float]
) -> Resamples:
    """Sums of ``columns`` and quantiles of ``values`` in ``samples`` resamples of the tokens.

    ``tokens`` numbers the token of every observation 0, 1, … without gaps; ``columns`` and ``values`` hold one number
    for each observation. The quantile ``share`` of a resample of m observations interpolates linearly at the position
    share x (m - 1). Means, rates and factors follow from sums (a column of ones counts).
    """
    n_tokens = int(tokens.max()) + 1
    per_token = [_sums_by_token(column, tokens) for column in columns]
    order = np.lexsort((tokens, values))
    ascending, token_of_ascending = values[order], tokens[order]
    sums = np.empty((samples, len(columns)))
    quantiles = np.empty((samples, len(shares)))
    cells = n_tokens if not shares else max(n_tokens, len(values))
    done = 0
    for counts in _draw_counts(n_tokens, samples, seed, at_once=max(1, _CELLS_AT_ONCE // cells)):
        rows = slice(done, done + len(counts))
        for k, token_sums in enumerate(per_token):
            sums[rows, k] = (counts * token_sums).sum(axis=1)
        if shares:
            quantiles[rows] = _quantiles(ascending, np.take(counts, token_of_ascending, axis=1), shares)
        done += len(counts)
    return Resamples(sums, quantiles)


def percentile_interval(resampled: Floats, level: float) -> Interval:
    """The k-th smallest and k-th largest resampled value, k = floor((B + 1) (1 - level) / 2), at least 1.

    Efron and Tibshirani (1993), section 13.3. An infinite value (a ratio without a denominator) orders like any other;
    a bound that is infinite is None, and both are when a value is not defined at all (NaN).
    """
    if np.isnan(resampled).any():
        return UNKNOWN
    ascending = np.sort(resampled)
    # Decimal levels are not exact in binary: 1 - 0.9 is a hair below 0.1
    rank = max(1, math.floor(round((len(ascending) + 1) * (1.0 - level) / 2.0, 9)))
    return Interval(_finite(ascending[rank - 1]), _finite(ascending[-rank]))


def _draw_counts(n_tokens: int, samples: int, seed: int, *, at_once: int) -> Iterator[npt.NDArray[np.int32]]:
    """How often each token is drawn, (up to ``at_once`` resamples, tokens) at a time.

    A 32-bit half word w draws token w x n / 2^32, rounded down: no token's chance is off by more than n / 2^32.
    """
    words = PCG64(seed)
    n_words = (n_tokens + 1) // 2
    for start in range(0, samples, at_once):
        n = min(at_once, samples - start)
        raw = words.random_raw(n * n_words)
        halves = np.stack((raw >> np.uint64(32), raw & np.uint64(0xFFFFFFFF)), axis=1).reshape(n, -1)[:, :n_tokens]
        drawn = (halves * np.uint64(n_tokens) >> np.uint64(32)).astype(np.int64)
        drawn += np.arange(n, dtype=np.int64)[:, None] * n_tokens
        counts = np.bincount(drawn.ravel(), minlength=n * n_tokens)
        yield counts.reshape(n, n_tokens).astype(np.int32)


def _sums_by_token(column: Floats, tokens: Whole) -> Floats:
    """Sum of each token's numbers, smallest first, so that the order of the rows leaves no trace in the bits."""
    order = np.lexsort((column, tokens))
    starts = np.searchsorted(tokens[order], np.arange(int(tokens.max()) + 1))
    return np.asarray(np.add.reduceat(column[order], starts))


def _quantiles(ascending: Floats, counts: npt.NDArray[np.int32], shares: Sequence[float]) -> Floats:
    """Quantiles of each row's resample, in which ``ascending[i]`` occurs ``counts[row, i]`` times.

    Ranks are looked up in sums of blocks of about sqrt(values): running sums of all values take three times as long.
    """
    width = 1 << (len(ascending).bit_length() // 2)
    blocks = np.pad(counts, ((0, 0), (0, -len(ascending) % width))).reshape(len(counts), -1, width)
    reached = np.cumsum(blocks.sum(axis=2), axis=1)
    last = reached[:, -1] - 1
    quantiles = np.empty((len(counts), len(shares)))
    for number, share in enumerate(shares):
        position = share * last
        below = np.floor(position).astype(np.int64)
        low = ascending[_index_at(below, blocks, reached)]
        high = ascending[_index_at(np.minimum(below + 1, last), blocks, reached)]
        quantiles[:, number] = low + (high - low) * (position - below)
    return quantiles


def _index_at(rank: Whole, blocks: npt.NDArray[np.int32], reached: Whole) -> Whole:
    """Index of the value at ``rank`` (from 0) of each row: first its block, then its place there."""
    block = (reached <= rank[:, None]).sum(axis=1)
    rows = np.arange(len(rank))
    before = np.where(block > 0, reached[rows, block - 1], 0)
    inside = np.cumsum(blocks[rows, block], axis=1)
    return np.asarray(block * blocks.shape[2] + (inside <= (rank - before)[:, None]).sum(axis=1))


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
