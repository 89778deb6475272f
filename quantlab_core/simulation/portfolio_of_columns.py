"""The portfolio of trades in columns: the compiled purse, and the plain one for sums that only Python's floats bear."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

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
    columns, legs = trades.positions, trades.legs
    exits = tuple(
        ExitLeg(
            fraction=float(legs.fraction[leg]),
            raw_price=float(legs.raw_price[leg]),
            price=float(legs.price[leg]),
            quantity=float(legs.quantity[leg]),
            fee=float(legs.fee[leg]),
            ts_ms=int(legs.ts_ms[leg]),
            candle_ts_ms=int(legs.candle_ts_ms[leg]),
            reason=EXIT_REASONS[legs.reason[leg]],
        )
        for leg in np.arange(legs.offsets[row], legs.offsets[row + 1]).tolist()
    )
    return Position(
        stake=float(columns.stake[row]),
        entry_ts_ms=int(columns.entry_ts_ms[row]),
        entry_fill_ts_ms=int(columns.entry_fill_ts_ms[row]),
        entry_raw_price=float(columns.entry_raw_price[row]),
        entry_price=float(columns.entry_price[row]),
        quantity=float(columns.size[row]),
        entry_fee=float(columns.entry_fees[row]),
        exits=exits,
        gross_return=float(columns.gross_return[row]),
        net_return=float(columns.net_return[row]),
        mfe=float(columns.mfe[row]),
        mae=float(columns.mae[row]),
        is_ambiguous=bool(columns.is_ambiguous[row]),
        return_pessimistic=float(columns.return_pessimistic[row]),
        return_optimistic=float(columns.return_optimistic[row]),
        is_censored=bool(columns.is_censored[row]),
        stale_exit_s=None,
        candles_used=int(columns.candles_used[row]),
        missing_candles=int(columns.missing_candles[row]),
        path=_NO_PATH,
    )
