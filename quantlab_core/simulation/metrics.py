"""Metrics of an experiment: one definition each, formulas in ``docs/metrics.md``.

A metric that is not defined (no losing trade, one day only, …) is None, never NaN or infinity. Metrics of trades use
every closed trade at the strategy's stake; metrics of the portfolio use the daily equity curve of the trades it took.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.equity_statistics import (
    ROUNDING,
    calmar,
    daily_equity,
    daily_returns,
    max_drawdown,
    sharpe_daily_365,
    sortino,
    time_in_market,
)
from quantlab_core.simulation.portfolio import PortfolioConfig, PortfolioRun, run_portfolio
from quantlab_core.simulation.trade import Position

UNKNOWN_CALLER = "(unknown)"
"""Scope key of alerts whose caller is not known."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric of one scope. ``n`` is the number of observations behind it: alerts, trades or days."""

    scope: str
    scope_key: str
    name: str
    value: float | None
    n: int


def experiment_metrics(
    outcomes: Sequence[AlertOutcome], config: PortfolioConfig, strategy_stake: float
) -> tuple[Metric, ...]:
    """All metrics for all alerts, for every caller and for every month (UTC) of the alert.

    The portfolio of a caller or month is the same purse given that scope's trades alone.
    """
    metrics: list[Metric] = []
    for scope, groups in (
        ("all", {"all": list(outcomes)}),
        ("caller", _grouped(outcomes, lambda outcome: outcome.caller or UNKNOWN_CALLER)),
        ("month", _grouped(outcomes, _month)),
    ):
        for scope_key, members in sorted(groups.items()):
            run = run_portfolio(members, config, strategy_stake)
            values = {**_trade_metrics(members), **_portfolio_metrics(run)}
            metrics.extend(Metric(scope, scope_key, name, value, n) for name, (value, n) in sorted(values.items()))
    return tuple(metrics)


def quantile(ascending: Sequence[float], share: float) -> float | None:
    """The value below which ``share`` of the observations lie, interpolated linearly; None without observations."""
    if not ascending:
        return None
    position = share * (len(ascending) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ascending) - 1)
    return ascending[below] + (ascending[above] - ascending[below]) * (position - below)


def _grouped(outcomes: Iterable[AlertOutcome], key: Callable[[AlertOutcome], str]) -> dict[str, list[AlertOutcome]]:
    groups: dict[str, list[AlertOutcome]] = {}
    for outcome in outcomes:
        groups.setdefault(key(outcome), []).append(outcome)
    return groups


def _month(outcome: AlertOutcome) -> str:
    return datetime.fromtimestamp(outcome.alert_ts_us // 1_000_000, UTC).strftime("%Y-%m")


def _trade_metrics(outcomes: Sequence[AlertOutcome]) -> Mapping[str, tuple[float | None, int]]:
    positions = [outcome.position for outcome in outcomes if outcome.position is not None]
    n = len(positions)
    returns = sorted(position.net_return for position in positions)
    pnls = [position.pnl for position in positions]
    wins = [position.pnl for position in positions if position.net_return > ROUNDING]
    losses = [position.pnl for position in positions if position.net_return < -ROUNDING]
    mean_win, mean_loss = _mean(wins), _mean(losses)
    return {
        "n_alerts": (float(len(outcomes)), len(outcomes)),
        "n_trades": (float(n), len(outcomes)),
        "win_rate": (_ratio(len(wins), n), n),
        "mean_return": (_mean(returns), n),
        "median_return": (quantile(returns, 0.5), n),
        "p05": (quantile(returns, 0.05), n),
        "p25": (quantile(returns, 0.25), n),
        "p75": (quantile(returns, 0.75), n),
        "p95": (quantile(returns, 0.95), n),
        "best": (returns[-1] if returns else None, n),
        "worst": (returns[0] if returns else None, n),
        "profit_factor": (_ratio(math.fsum(wins), -math.fsum(losses)), n),
        "payoff_ratio": (None if mean_win is None or mean_loss is None else _ratio(mean_win, -mean_loss), n),
        "expectancy": (_mean(pnls), n),
        "total_pnl": (math.fsum(pnls), n),
        "tail_share_top1pct": (_tail_share(pnls), n),
        "fees_total": (math.fsum(position.entry_fee + position.exit_fees for position in positions), n),
        "ambiguous_share": (_share(positions, lambda position: position.is_ambiguous), n),
        "censored_share": (_share(positions, lambda position: position.is_censored), n),
    }


def _portfolio_metrics(run: PortfolioRun) -> Mapping[str, tuple[float | None, int]]:
    equity = daily_equity(run)
    returns = daily_returns(equity)
    days = len(equity) - 1
    n_taken = len(run.taken)
    return {
        "n_taken": (float(n_taken), n_taken + len(run.rejections)),
        "total_return": (run.final_equity / run.starting_capital - 1.0 if n_taken else None, n_taken),
        "sharpe_daily_365": (sharpe_daily_365(returns), days),
        "sortino": (sortino(returns), days),
        "calmar": (calmar(equity), days),
        "max_drawdown": (max_drawdown(equity) if days else None, days),
        "exposure_time": (time_in_market(run), n_taken),
    }


def _tail_share(pnls: Sequence[float]) -> float | None:
    total = math.fsum(pnls)
    if total <= ROUNDING * math.fsum(map(abs, pnls)):
        return None
    top = sorted(pnls, reverse=True)[: math.ceil(len(pnls) / 100)]
    return math.fsum(top) / total


def _share(positions: Sequence[Position], holds: Callable[[Position], bool]) -> float | None:
    return _ratio(sum(map(holds, positions)), len(positions))


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None
