"""The portfolio of trades in columns: the compiled purse, and the plain one for sums that only Python's floats bear."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from quantlab_core.simulation.alert_outcome import AlertOutcome, OutcomeStatus
from quantlab_core.simulation.compiled.purse import ColumnPurse
from quantlab_core.simulation.outcome_codes import EXIT_REASONS
from quantlab_core.simulation.path_metrics import PathMetrics
from quantlab_core.simulation.portfolio import PortfolioConfig, run_portfolio
from quantlab_core.simulation.portfolio_columns import PortfolioColumns
from quantlab_core.simulation.trade import ExitLeg, Position
from quantlab_core.simulation.trade_columns import TradeColumns, Whole
from quantlab_core.token import Token

PortfolioOf = Callable[[Whole], PortfolioColumns]
"""Runs the portfolio on the trades at some rows alone."""

_NO_PATH = PathMetrics(0.0, 0.0, 0.0, 0.0, 0.0, {}, {})
_MADE_OTHERWISE = frozenset({"exits", "stale_exit_s", "path", "reason"})
_COLUMN_OF = {"quantity": "size", "entry_fee": "entry_fees"}
"""Fields of a position whose columns have another name."""


def portfolio_of_columns(trades: TradeColumns, config: PortfolioConfig, strategy_stake: float) -> PortfolioOf:
    """What runs the portfolio on rows of ``trades``: `run_portfolio`, whichever way it is computed."""
    if ColumnPurse.can_run(trades, config, strategy_stake):
        return ColumnPurse(trades, config, strategy_stake).run
    outcomes = [_outcome(trades, row) for row in range(len(trades))]

    def plain(rows: Whole) -> PortfolioColumns:
        members = [outcomes[row] for row in rows.tolist()]
        return PortfolioColumns.from_run(run_portfolio(members, config, strategy_stake), members).at_rows(rows)

    return plain


def _outcome(trades: TradeColumns, row: int) -> AlertOutcome:
    """One alert as the portfolio looks at it: its path and its bounds are nothing to a purse."""
    alerts = trades.alerts
    token = Token(str(alerts.chain[row]), str(alerts.address[row]))
    position = _position(trades, row) if trades.is_closed[row] else None
    status: OutcomeStatus = "no_entry" if position is None else "closed"
    alert_ts_us = int(alerts.alert_ts_us[row])
    return AlertOutcome(
        str(alerts.alert_id[row]), token, alerts.caller[row].as_py(), alert_ts_us, status, None, position
    )


def _position(trades: TradeColumns, row: int) -> Position:
    legs = trades.legs
    exits = tuple(
        ExitLeg(**_facts(ExitLeg, legs, leg), reason=EXIT_REASONS[legs.reason[leg]])
        for leg in range(legs.offsets[row], legs.offsets[row + 1])
    )
    facts = _facts(Position, trades.positions, row, _COLUMN_OF)
    return Position(**facts, exits=exits, stale_exit_s=None, path=_NO_PATH)


def _facts(
    of: type[Position | ExitLeg], columns: Any, row: int, column_of: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The fields that are a column's value as it is; ``column_of`` says which column has another name."""
    names = (field.name for field in fields(of) if field.name not in _MADE_OTHERWISE)
    return {name: getattr(columns, (column_of or {}).get(name, name))[row].item() for name in names}
