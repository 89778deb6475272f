"""What every parameter set of a sweep is worth: its metrics over all alerts and its daily profits.

Sets are simulated many at once by the sweep engine, which gives what each trade returned with the bits of a single
experiment. That is all that metrics of trades need; the portfolio of every set, which needs every fill, is run only
where the sweep asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from quantlab_core.experiments.checked_config import CheckedConfig
from quantlab_core.experiments.parameter_sets import ParameterSet
from quantlab_core.projections.record_indexes import IndexOf
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.metrics import Metric, overall_metrics
from quantlab_core.simulation.portfolio_of_columns import portfolio_of_columns
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_core.simulation.sweep.sweep import simulate_sweep
from quantlab_core.simulation.sweep.sweep_outcomes import SweepOutcomes
from quantlab_core.simulation.trade_columns import AlertColumns, TradeColumns
from quantlab_core.simulation.trade_intervals import LEAST_TOKENS, token_numbers
from quantlab_core.simulation.trade_statistics import return_metrics
from quantlab_core.statistics.interval import UNKNOWN, Interval
from quantlab_core.statistics.sharpe_evidence import return_moments
from quantlab_core.statistics.statistics_config import MetricStatistics
from quantlab_core.statistics.sweep_statistics import daily_pnl_by_set
from quantlab_core.statistics.token_bootstrap import percentile_interval, token_resamples

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
TradesOf = Callable[[ParameterSet], TradeColumns]
"""Simulates one set completely: all columns of its trades, all legs."""

CELLS_AT_ONCE = 4_000_000
"""Sets are taken in blocks of so many (set, alert) cells: some 250 MB, however many sets there are."""

MOST_INDEXES = 8
"""Entry rules for which record indexes are used. With more of them, few sets share one, and each takes memory."""


@dataclass(frozen=True, slots=True, eq=False)
class SetScores:
    """By set, in their order: metrics of the scope ``all`` by name, and the Sharpe ratio of ``daily``.

    ``daily`` are profits in stakes, (sets, days), as `daily_pnl_by_set` defines them.
    """

    metrics: tuple[dict[str, Metric], ...]
    sharpe: tuple[float | None, ...]
    daily: Floats

    def measure(self, number: int, name: str) -> float | None:
        """The value of a measure of the sweep's choice for set ``number``; None where it is not defined."""
        if name == "sharpe":
            return self.sharpe[number]
        metric = self.metrics[number]["mean_return" if name == "mean_return_low" else name]
        return metric.ci_low if name == "mean_return_low" else metric.value


def set_scores(
    pack: CandlePack, calls: Calls, alerts: AlertColumns, sets: Sequence[ParameterSet], checked: CheckedConfig,
    trades_of: TradesOf, index_of: IndexOf | None = None,
) -> SetScores:  # fmt: skip
    """The scores of ``sets``; what one of them gets depends on no other, but for the days of ``daily``.

    Record indexes of ``index_of`` are used where the sets have few entry rules; scores do not depend on it.
    """
    from quantlab_core.simulation.sweep.candle_faults import candle_faults

    statistics = checked.metric_statistics()
    tokens = token_numbers(alerts)
    first_ms = int(alerts.alert_ts_us.min()) // 1_000 if len(alerts) else 0
    faults = candle_faults(pack)
    indexes = [] if index_of is None else [index_of(pack, calls, faults, *wanted) for wanted in _wanted_indexes(sets)]
    needs_purses = checked.params.sweep is not None and checked.params.sweep.needs_purses
    metrics: list[dict[str, Metric]] = []
    daily: list[Floats] = []
    for block in _blocks(sets, len(alerts)):
        strategies = [one.strategy for one in block]
        dead_price = checked.params.dead_token
        outcomes = simulate_sweep(pack, calls, strategies, dead_price=dead_price, faults=faults, indexes=indexes)
        is_closed = outcomes.is_closed
        bounds = _mean_bounds(outcomes.net_return, is_closed, tokens, statistics)
        for row, one in enumerate(block):
            if needs_purses:
                found = _complete_metrics(trades_of(one), one, checked, statistics)
            else:
                found = _trade_metrics(outcomes, row, is_closed[row], one)
            mean = replace(found["mean_return"], ci_low=bounds[row].low, ci_high=bounds[row].high)
            metrics.append({**found, "mean_return": mean})
        daily.append(daily_pnl_by_set(outcomes.net_return, outcomes.exit_ts_ms, first_ms=first_ms))
    matrix = _same_days(daily)
    moments = [return_moments(row.tolist()) for row in matrix]
    return SetScores(tuple(metrics), tuple(None if one is None else one.sharpe for one in moments), matrix)


def _blocks(sets: Sequence[ParameterSet], n_alerts: int) -> Iterator[Sequence[ParameterSet]]:
    at_once = max(1, CELLS_AT_ONCE // max(1, n_alerts))
    for start in range(0, len(sets), at_once):
        yield sets[start : start + at_once]


def _wanted_indexes(sets: Sequence[ParameterSet]) -> list[tuple[EntryRule, int]]:
    """Each entry rule and the longest holding time with it in milliseconds; none where there are too many rules."""
    longest: dict[EntryRule, int] = {}
    for one in sets:
        rule = EntryRule.of(one.strategy)
        longest[rule] = max(longest.get(rule, 0), one.strategy.max_hold_min * 60_000)
    return list(longest.items()) if len(longest) <= MOST_INDEXES else []


def _trade_metrics(outcomes: SweepOutcomes, row: int, closed: Flags, one: ParameterSet) -> dict[str, Metric]:
    net_return = outcomes.net_return[row][closed]
    values = return_metrics(
        net_return,
        one.strategy.stake * net_return,
        n_ambiguous=int(outcomes.is_ambiguous[row][closed].sum()),
        n_censored=int(outcomes.is_censored[row][closed].sum()),
        n_alerts=len(closed),
    )
    return {name: Metric("all", "all", name, value, n) for name, (value, n) in sorted(values.items())}


def _complete_metrics(
    trades: TradeColumns, one: ParameterSet, checked: CheckedConfig, statistics: MetricStatistics | None
) -> dict[str, Metric]:
    """All metrics of the scope, the portfolio's included, without bounds. No DSR and PBO: they are the chosen set's."""
    without_bounds = statistics and replace(statistics, config=replace(statistics.config, samples=0))
    portfolio_of = portfolio_of_columns(trades, checked.params.portfolio, one.strategy.stake)
    found = overall_metrics(trades, portfolio_of, without_bounds)
    return {metric.name: metric for metric in found if metric.name not in ("dsr", "pbo")}


def _mean_bounds(
    net_return: Floats, is_closed: Flags, tokens: Whole, statistics: MetricStatistics | None
) -> list[Interval]:
    """The interval of each set's mean return. Sets that trade the same alerts share the tokens that are drawn."""
    bounds = [UNKNOWN] * len(net_return)
    if statistics is None or not statistics.config.samples:
        return bounds
    alike: dict[bytes, list[int]] = {}
    for row, closed in enumerate(is_closed):
        alike.setdefault(np.packbits(closed).tobytes(), []).append(row)
    for rows in alike.values():
        closed = np.flatnonzero(is_closed[rows[0]])
        names, numbered = np.unique(tokens[closed], return_inverse=True)
        if len(names) < LEAST_TOKENS:
            continue
        columns = [net_return[row][closed] for row in rows]
        drawn = token_resamples(
            numbered,
            (*columns, np.ones(len(closed))),
            samples=statistics.config.samples,
            seed=statistics.seed,
            values=columns[0],
            shares=(),
        )
        for row, sums in zip(rows, drawn.sums.T, strict=False):
            bounds[row] = percentile_interval(sums / drawn.sums[:, -1], statistics.config.level)
    return bounds


def _same_days(blocks: Sequence[Floats]) -> Floats:
    """The blocks one below the other, each up to the last day of any."""
    n_days = max(block.shape[1] for block in blocks)
    return np.concatenate([np.pad(block, ((0, 0), (0, n_days - block.shape[1]))) for block in blocks])
