"""Metrics: each formula of docs/metrics.md worked by hand, undefined ones null, all scopes with one definition."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.leaderboards.artifact_types import CALLER_LEADERBOARD
from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.equity_statistics import calmar, daily_equity, max_drawdown, sharpe_daily_365, sortino
from quantlab_core.simulation.metrics import Metric, experiment_metrics
from quantlab_core.simulation.portfolio import PortfolioConfig, run_portfolio
from quantlab_core.simulation.portfolio_columns import PortfolioColumns
from quantlab_core.simulation.trade_columns import TradeColumns, Whole
from quantlab_core.simulation.trade_statistics import quantile
from quantlab_core.statistics.statistics_config import MetricStatistics, StatisticsConfig
from quantlab_tests.core.simulation.drawn_outcomes import DAY_S, closed, untraded

DOCS = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def metrics_of(outcomes: list[AlertOutcome], statistics: MetricStatistics | None = None) -> tuple[Metric, ...]:
    """The metrics of ``outcomes`` with a purse of 1,000 and stakes of 100."""

    def portfolio_of(rows: Whole) -> PortfolioColumns:
        members = [outcomes[row] for row in rows.tolist()]
        return PortfolioColumns.from_run(run_portfolio(members, PortfolioConfig(1_000), 100), members)

    return experiment_metrics(TradeColumns.from_outcomes(outcomes), portfolio_of, statistics)


def values_of(outcomes: list[AlertOutcome], scope: str = "all", key: str = "all") -> dict[str, float | None]:
    metrics = metrics_of(outcomes)
    return {metric.name: metric.value for metric in metrics if (metric.scope, metric.scope_key) == (scope, key)}


def four_trades() -> list[AlertOutcome]:
    """Returns +50 %, -20 %, +10 %, -40 % on stakes of 100, one a day, each held for six hours; one alert untraded."""
    multiples = (1.5, 0.8, 1.1, 0.6)
    trades = [
        closed(f"t{day}", day * DAY_S, (day * DAY_S + 21_600, 1.0, multiple), is_ambiguous=day == 0)
        for day, multiple in enumerate(multiples)
    ]
    return [*trades, untraded("none", 100)]


def test_every_metric_of_four_trades_by_hand() -> None:
    values = values_of(four_trades())
    expected = {
        "n_alerts": 5,
        "n_trades": 4,
        "win_rate": 0.5,
        "mean_return": (0.5 - 0.2 + 0.1 - 0.4) / 4,
        "median_return": (-0.2 + 0.1) / 2,
        # sorted: -0.4, -0.2, 0.1, 0.5; position = share x 3
        "p05": -0.4 + 0.15 * 0.2,
        "p25": -0.4 + 0.75 * 0.2,
        "p75": 0.1 + 0.25 * 0.4,
        "p95": 0.1 + 0.85 * 0.4,
        "best": 0.5,
        "worst": -0.4,
        "profit_factor": 60 / 60,
        "payoff_ratio": 30 / 30,
        "expectancy": 0.0,
        "total_pnl": 0.0,
        "tail_share_top1pct": None,
        "fees_total": 0,
        "ambiguous_share": 0.25,
        "censored_share": 0,
        "n_taken": 4,
        "total_return": 0.0,
        # 4 x 6 h held of 3 days and 6 h
        "exposure_time": 24 / 78,
    }
    # equity at the end of the days: 1,050, 1,030, 1,040, 1,000
    expected["max_drawdown"] = 1_000 / 1_050 - 1
    returns = [0.05, 1_030 / 1_050 - 1, 1_040 / 1_030 - 1, 1_000 / 1_040 - 1]
    mean = sum(returns) / 4
    expected["sharpe_daily_365"] = mean / math.sqrt(sum((r - mean) ** 2 for r in returns) / 3) * math.sqrt(365)
    expected["sortino"] = mean / math.sqrt((returns[1] ** 2 + returns[3] ** 2) / 4) * math.sqrt(365)
    expected["calmar"] = 0.0
    assert set(values) == set(expected)
    for name, value in expected.items():
        assert values[name] == (value if value is None else pytest.approx(value, abs=1e-9)), name


def test_what_is_not_defined_is_null_and_never_infinite() -> None:
    nothing = values_of([untraded("a", 0)])
    assert {name for name, value in nothing.items() if value is not None} == {
        "n_alerts", "n_trades", "n_taken", "fees_total", "total_pnl",
    }  # fmt: skip
    one_win = values_of([closed("a", 0, (60, 1.0, 2.0))])
    for name in ("profit_factor", "payoff_ratio", "sharpe_daily_365", "sortino", "calmar"):
        assert one_win[name] is None, name
    assert one_win["win_rate"] == 1
    assert one_win["max_drawdown"] == 0


def test_a_trade_at_zero_is_neither_won_nor_lost() -> None:
    values = values_of([closed("a", 0, (60, 1.0, 1.0)), closed("b", 0, (60, 1.0, 1.5))])
    assert values["win_rate"] == 0.5
    assert values["profit_factor"] is None


def test_a_loss_that_is_only_rounding_is_no_loss() -> None:
    # 0.3 + 0.3 + 0.4 of a flat trade come back as 99.99999999999999
    flat = closed("a", 0, *((60 + leg, share, 1 - 1e-15) for leg, share in enumerate((0.3, 0.3, 0.4))))
    assert flat.position is not None
    assert -1e-12 < flat.position.net_return < 0
    values = values_of([flat, closed("b", 0, (60, 1.0, 1.5))])
    assert (values["win_rate"], values["profit_factor"], values["payoff_ratio"]) == (0.5, None, None)


def test_the_tail_share_shows_how_much_hangs_on_a_few_trades() -> None:
    # 150 trades: one makes 900, 100 make 1 each, 49 lose 10 each: total 510; the top 1 % are 2 trades: 901
    multiples = [10.0, *[1.01] * 100, *[0.9] * 49]
    trades = [
        closed(f"{number:03d}", number, (number + 60, 1.0, multiple)) for number, multiple in enumerate(multiples)
    ]
    assert values_of(trades)["tail_share_top1pct"] == pytest.approx(901 / 510)


def test_callers_and_months_have_scopes_of_their_own_with_the_same_definitions() -> None:
    may = closed("may", 0, (60, 1.0, 1.5), caller="ann")
    june = closed("june", 31 * DAY_S + 60, (31 * DAY_S + 120, 1.0, 0.5), caller=None)
    metrics = metrics_of([may, june])
    scopes = {(metric.scope, metric.scope_key) for metric in metrics}
    assert scopes == {
        ("all", "all"), ("caller", "ann"), ("caller", "(unknown)"), ("month", "2025-04"), ("month", "2025-06"),
    }  # fmt: skip
    assert values_of([may, june], "caller", "ann") == values_of([may])
    # the alert was 30 s before midnight: it belongs to April although it was traded in May
    assert values_of([may, june], "month", "2025-04") == values_of([may])
    assert values_of([may, june], "month", "2025-06") == values_of([june])


def test_the_daily_curve_keeps_its_value_over_days_without_events() -> None:
    # in on day 0, out on day 3 at +50 %: days end at 1,000, 1,000, 1,000, 1,050
    metrics = metrics_of([closed("a", 0, (3 * DAY_S, 1.0, 1.5))])
    sharpe = next(metric for metric in metrics if metric.name == "sharpe_daily_365" and metric.scope == "all")
    mean = 0.05 / 4
    deviation = math.sqrt((3 * mean**2 + (0.05 - mean) ** 2) / 3)
    assert sharpe.n == 4
    assert sharpe.value == pytest.approx(mean / deviation * math.sqrt(365))


def test_the_daily_curve_by_hand() -> None:
    # a fee of 1 of 101 paid on day 0; sold on day 2 for 150 less a fee of 1.5: 1,000 + 47.5; nothing but that
    outcomes = [closed("a", 0, (2 * DAY_S + 60, 1.0, 1.5), stake=101, fee=0.01)]
    run = PortfolioColumns.from_run(run_portfolio(outcomes, PortfolioConfig(1_000), 101), outcomes)
    assert daily_equity(run) == pytest.approx([1_000, 999, 999, 1_047.5])
    nothing = PortfolioColumns.from_run(run_portfolio([], PortfolioConfig(1_000), 101), [])
    assert daily_equity(nothing) == [1_000]


def test_daily_statistics_by_hand() -> None:
    assert max_drawdown([100, 120, 90, 130, 117]) == pytest.approx(-0.25)
    assert sharpe_daily_365([0.01]) is None
    assert sharpe_daily_365([0.01, 0.01]) is None
    assert sortino([0.01, 0.02]) is None
    assert calmar([100, 50, 100]) == pytest.approx(0.0)
    assert calmar([100, 50, 200]) == pytest.approx((2 ** (365 / 2) - 1) / 0.5)
    assert calmar([1, 0.5, 1e5]) is None  # a yearly return beyond any float
    assert calmar([100, 110, 120]) is None


def test_quantiles_interpolate_between_neighbours() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.05) == 3
    assert quantile([1.0, 2.0, 4.0], 0.75) == 3


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(60, 90_000), st.floats(0, 50)), max_size=30))
def test_metrics_are_finite_and_do_not_depend_on_the_order_of_alerts(drawn: list[tuple[int, int, float]]) -> None:
    trades = [closed(f"{n:02d}", at, (at + held, 1.0, multiple)) for n, (at, held, multiple) in enumerate(drawn)]
    metrics = metrics_of(trades)
    assert all(metric.value is None or math.isfinite(metric.value) for metric in metrics)
    assert metrics == metrics_of(list(reversed(trades)))


def test_every_metric_has_its_formula_in_the_docs() -> None:
    _, _, formulas = DOCS.read_text(encoding="utf-8").partition("## Metrics of trades")
    documented = set(re.findall(r"^\| `(\w+)` \|", formulas.partition("## Leaderboards")[0], re.MULTILINE))
    asked = MetricStatistics(StatisticsConfig(), seed=0, longest_life_us=0)
    assert documented == {metric.name for metric in metrics_of(four_trades(), asked)}


def test_every_column_of_the_leaderboard_has_its_formula_in_the_docs() -> None:
    _, _, formulas = DOCS.read_text(encoding="utf-8").partition("## Leaderboards")
    documented = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", formulas, re.MULTILINE))))
    assert documented == set(CALLER_LEADERBOARD.schema.names)
