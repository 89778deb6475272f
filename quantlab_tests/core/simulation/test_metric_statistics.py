"""Bounds, folds and evidence of an experiment's metrics: there when asked for, absent otherwise, null with a rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.metrics import Metric, experiment_metrics
from quantlab_core.simulation.portfolio import PortfolioConfig, run_portfolio
from quantlab_core.simulation.portfolio_columns import PortfolioColumns
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.simulation.trade_columns import TradeColumns, Whole
from quantlab_core.simulation.trade_life import longest_life_us
from quantlab_core.statistics.statistics_config import MetricStatistics, parse_statistics
from quantlab_tests.core.simulation.drawn_outcomes import DAY_S, closed, untraded

BOUNDED = {
    "win_rate", "mean_return", "median_return", "p05", "p25", "p75", "p95", "profit_factor", "payoff_ratio",
    "expectancy", "total_pnl", "ambiguous_share", "censored_share", "sharpe_daily_365",
}  # fmt: skip
HOUR_US = 3_600_000_000


def statistics(*, seed: int = 1, life_h: int = 0, **block: Any) -> MetricStatistics:
    return MetricStatistics(parse_statistics(block), seed, life_h * HOUR_US)


def metrics_of(outcomes: list[AlertOutcome], asked: MetricStatistics | None) -> tuple[Metric, ...]:
    def portfolio_of(rows: Whole) -> PortfolioColumns:
        members = [outcomes[row] for row in rows.tolist()]
        return PortfolioColumns.from_run(run_portfolio(members, PortfolioConfig(1_000), 10), members)

    return experiment_metrics(TradeColumns.from_outcomes(outcomes), portfolio_of, asked)


def by_name(metrics: tuple[Metric, ...], scope: str = "all", key: str = "all") -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics if (metric.scope, metric.scope_key) == (scope, key)}


def trades(n: int = 60, *, tokens: int = 30, held_s: float = 3_600) -> list[AlertOutcome]:
    """One alert a day at 00:00:30 of a token in turn, ``held_s`` long; ann calls every third, bob the others."""
    multiples = (1.5, 0.8, 1.1, 0.6, 2.2, 0.9, 0.7)
    return [
        closed(
            f"{number:03d}", number * DAY_S + 60, (number * DAY_S + 60 + held_s, 1.0, multiples[number % 7]),
            caller="ann" if number % 3 == 0 else "bob", mint=f"m{number % tokens:03d}",
        )
        for number in range(n)
    ]  # fmt: skip


def test_without_statistics_there_are_values_alone() -> None:
    metrics = metrics_of(trades(), None)
    assert {metric.scope for metric in metrics} == {"all", "caller", "month"}
    assert not any(metric.name in ("psr", "dsr", "pbo") for metric in metrics)
    assert all(metric.ci_low is None and metric.ci_high is None for metric in metrics)


def test_statistics_add_to_the_values_and_change_none() -> None:
    plain = metrics_of(trades(), None)
    asked = {(m.scope, m.scope_key, m.name): (m.value, m.n) for m in metrics_of(trades(), statistics())}
    for metric in plain:
        assert asked[metric.scope, metric.scope_key, metric.name] == (metric.value, metric.n)


def test_every_metric_that_is_an_estimate_is_bounded_and_lies_between_its_bounds() -> None:
    found = by_name(metrics_of(trades(), statistics()))
    bounded = {name for name, metric in found.items() if metric.ci_low is not None}
    assert bounded == BOUNDED
    for name in BOUNDED:
        metric = found[name]
        assert metric.ci_low is not None
        assert metric.ci_high is not None
        assert metric.value is not None
        assert metric.ci_low <= metric.value + 1e-9, name
        assert metric.value <= metric.ci_high + 1e-9, name


def test_a_resampled_mean_by_hand() -> None:
    # every token's two trades return the same: the interval of the mean is that of the tokens' means
    outcomes = trades(42, tokens=21)
    found = by_name(metrics_of(outcomes, statistics(bootstrap={"samples": 5_000, "level": 0.9})))["mean_return"]
    means = np.array([0.5, -0.2, 0.1, -0.4, 1.2, -0.1, -0.3] * 3)
    # normal approximation of the mean of 21 independent tokens
    reach = 1.645 * means.std() / 21**0.5
    assert found.ci_low == pytest.approx(means.mean() - reach, abs=0.03)
    assert found.ci_high == pytest.approx(means.mean() + reach, abs=0.05)


def test_a_loss_that_is_only_rounding_is_no_loss_in_a_resample_either() -> None:
    # wins of 50 %, losses of 50 % and nothing at all: every resample pays out 1
    multiples = (1.5, 0.5, 1 - 1e-15)
    outcomes = [closed(f"{n:03d}", n * DAY_S, (n * DAY_S + 60, 1.0, multiples[n % 3])) for n in range(60)]
    payoff = by_name(metrics_of(outcomes, statistics()))["payoff_ratio"]
    assert (payoff.ci_low, payoff.value, payoff.ci_high) == (pytest.approx(1), pytest.approx(1), pytest.approx(1))


def test_fewer_than_twenty_tokens_have_no_bounds() -> None:
    nineteen = by_name(metrics_of(trades(60, tokens=19), statistics()))
    assert nineteen["mean_return"].ci_low is None
    twenty = by_name(metrics_of(trades(60, tokens=20), statistics()))
    assert twenty["mean_return"].ci_low is not None


def test_callers_months_and_folds_are_bounded_by_the_same_rule() -> None:
    metrics = metrics_of(trades(90, tokens=90), statistics(split={"kind": "train_test", "train_share": 0.5}))
    for scope, key in (("caller", "ann"), ("caller", "bob"), ("month", "2025-05"), ("fold", "train"), ("fold", "test")):
        assert by_name(metrics, scope, key)["win_rate"].ci_low is not None, key


def test_no_samples_mean_no_bounds_but_the_evidence_stays() -> None:
    found = by_name(metrics_of(trades(), statistics(bootstrap={"samples": 0})))
    assert all(metric.ci_low is None for metric in found.values())
    assert found["psr"].value is not None


def test_equal_seeds_give_equal_bounds_and_rows_may_come_in_any_order() -> None:
    first = metrics_of(trades(), statistics(seed=5))
    assert first == metrics_of(trades(), statistics(seed=5))
    assert first == metrics_of(trades()[::-1], statistics(seed=5))
    assert first != metrics_of(trades(), statistics(seed=6))


def test_an_experiment_alone_has_a_psr_and_neither_dsr_nor_pbo() -> None:
    metrics = metrics_of(trades(), statistics())
    whole = by_name(metrics)
    assert whole["psr"].value is not None
    assert 0 <= whole["psr"].value <= 1
    assert (whole["dsr"].value, whole["pbo"].value) == (None, None)
    assert set(by_name(metrics, "caller", "ann")) & {"psr", "dsr", "pbo"} == {"psr"}
    assert by_name(metrics_of(trades(18), statistics()))["psr"].value is None, "18 days prove nothing"


def test_folds_hold_the_alerts_of_their_days_without_those_too_near() -> None:
    # 10 days, cut after 7; a life of 30 h takes the alerts of the days 5 and 6 from the training
    split = {"kind": "train_test", "train_share": 0.7}
    metrics = metrics_of(trades(10), statistics(life_h=30, split=split))
    # alerts are sent 30 s before the entry at 00:01, so at 00:00:30 of their day
    assert by_name(metrics, "fold", "test")["n_alerts"].value == 3
    assert by_name(metrics, "fold", "train")["n_alerts"].value == 6
    near = metrics_of(trades(10), statistics(life_h=24, split={**split, "embargo_h": 24}))
    assert by_name(near, "fold", "train")["n_alerts"].value == 5


def test_a_trade_that_outlives_the_distance_is_not_in_the_training() -> None:
    # a lagged call: sent on day 0, still open when the test begins on day 5
    late = closed("late", 60, (6 * DAY_S, 1.0, 1.5), mint="late")
    outcomes = [late, *trades(10)[1:]]
    metrics = metrics_of(outcomes, statistics(life_h=1, split={"kind": "train_test", "train_share": 0.5}))
    assert by_name(metrics, "fold", "train")["n_alerts"].value == 4


def test_walking_forward_names_its_folds_in_order() -> None:
    split = {"kind": "walk_forward", "train_days": 4, "test_days": 3}
    metrics = metrics_of([*trades(10), untraded("none", 100)], statistics(split=split))
    keys = list(dict.fromkeys(metric.scope_key for metric in metrics if metric.scope == "fold"))
    assert keys == ["test_01", "test_02", "train_01", "train_02"]
    assert [by_name(metrics, "fold", key)["n_alerts"].value for key in keys] == [3, 3, 5, 4]


def test_an_experiment_without_alerts_has_no_folds_and_does_not_fail() -> None:
    metrics = metrics_of([], statistics(split={"kind": "folds", "folds": 5}))
    assert {metric.scope for metric in metrics} == {"all"}


def test_the_longest_life_is_all_that_a_strategy_can_wait_and_hold() -> None:
    strategy = parse_strategy(
        {
            "entry_mode": "limit_dip", "limit_pct": 0.1, "limit_ttl_min": 30, "entry_delay_s": 1.5,
            "max_entry_wait_s": 120, "max_hold_min": 60,
        }
    )  # fmt: skip
    assert longest_life_us(strategy) == 121_500_000 + 90 * 60_000_000
