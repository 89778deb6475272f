"""Result tables from outcomes: trades, fills, curves and metrics in the schemas of their artifact types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from quantlab_core.experiments.artifact_types import (
    EXPERIMENT_CURVES,
    EXPERIMENT_FILLS,
    EXPERIMENT_METRICS,
    EXPERIMENT_TRADES,
)
from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.metrics import Metric
from quantlab_core.simulation.portfolio import PortfolioRun
from quantlab_core.simulation.trade import Position

BASE_PARAM_ID = "base"
"""Parameter set of an experiment that is no sweep."""


def trade_id_of(outcome: AlertOutcome, param_id: str = BASE_PARAM_ID) -> str:
    """Deterministic id of (parameter set, alert)."""
    return f"{param_id}:{outcome.alert_id}"


def trades_table(experiment_id: str, outcomes: Iterable[AlertOutcome]) -> pa.Table:
    """One row per alert; the columns of a position are null where there is none."""
    rows = []
    for outcome in outcomes:
        row: dict[str, Any] = {
            "experiment_id": experiment_id,
            "param_id": BASE_PARAM_ID,
            "trade_id": trade_id_of(outcome),
            "alert_id": outcome.alert_id,
            "token": outcome.token.address,
            "chain": outcome.token.chain,
            "caller": outcome.caller,
            "status": outcome.status,
            "reason": outcome.reason,
            "alert_ts": outcome.alert_ts_us,
        }
        if outcome.position is not None:
            row |= _position_columns(outcome.position)
        rows.append(row)
    return _table(rows, EXPERIMENT_TRADES.schema)


def fills_table(outcomes: Iterable[AlertOutcome]) -> pa.Table:
    """The entry (leg 0) and the exits (legs 1, 2, …) of every position."""
    rows: list[dict[str, Any]] = []
    for outcome in sorted(outcomes, key=trade_id_of):
        if outcome.position is not None:
            rows.extend({"trade_id": trade_id_of(outcome), **row} for row in _fill_rows(outcome.position))
    return _table(rows, EXPERIMENT_FILLS.schema)


def curves_table(run: PortfolioRun) -> pa.Table:
    """The portfolio after every event."""
    rows = [
        {
            "param_id": BASE_PARAM_ID,
            "ts": _us(point.ts_ms),
            "cash": point.cash,
            "equity": point.equity,
            "n_open": point.n_open,
            "exposure": point.exposure,
            "drawdown": point.drawdown,
            "drawdown_duration_s": point.drawdown_duration_s,
        }
        for point in run.curve
    ]
    return _table(rows, EXPERIMENT_CURVES.schema)


def metrics_table(metrics: Sequence[Metric]) -> pa.Table:
    """Metrics in long form. Confidence bounds are null: this version computes none."""
    rows = [
        {
            "param_id": BASE_PARAM_ID,
            "scope": metric.scope,
            "scope_key": metric.scope_key,
            "metric": metric.name,
            "value": metric.value,
            "ci_low": None,
            "ci_high": None,
            "n": metric.n,
        }
        for metric in metrics
    ]
    return _table(rows, EXPERIMENT_METRICS.schema)


def _position_columns(position: Position) -> dict[str, Any]:
    path = position.path
    return {
        "entry_ts": _us(position.entry_ts_ms),
        "exit_ts": _us(position.exit_ts_ms),
        "duration_s": position.duration_s,
        "entry_raw_price": position.entry_raw_price,
        "entry_price": position.entry_price,
        "avg_exit_raw_price": position.avg_exit_raw_price,
        "avg_exit_price": position.avg_exit_price,
        "size": position.quantity,
        "stake": position.stake,
        "entry_fees": position.entry_fee,
        "exit_fees": position.exit_fees,
        "slippage_cost": position.slippage_cost,
        "gross_return": position.gross_return,
        "net_return": position.net_return,
        "pnl": position.pnl,
        "exit_reason": position.exit_reason,
        "n_exits": len(position.exits),
        "mfe": position.mfe,
        "mae": position.mae,
        "is_ambiguous": position.is_ambiguous,
        "return_pessimistic": position.return_pessimistic,
        "return_optimistic": position.return_optimistic,
        "is_censored": position.is_censored,
        "stale_exit_s": position.stale_exit_s,
        "candles_used": position.candles_used,
        "missing_candles": position.missing_candles,
        "ath_multiple": path.ath_multiple,
        "time_to_2x_s": path.time_to_multiple_s.get(2),
        "time_to_3x_s": path.time_to_multiple_s.get(3),
        "time_to_5x_s": path.time_to_multiple_s.get(5),
        "time_to_10x_s": path.time_to_multiple_s.get(10),
        "dd_before_2x": path.dd_before_multiple.get(2),
        "path_max_drawdown": path.max_drawdown,
        "ret_end": path.ret_end,
    }


def _fill_rows(position: Position) -> Iterable[dict[str, Any]]:
    yield {
        "leg": 0,
        "side": "buy",
        "ts": _us(position.entry_fill_ts_ms),
        "candle_ts": _us(position.entry_ts_ms),
        "fraction": 1.0,
        "raw_price": position.entry_raw_price,
        "price": position.entry_price,
        "qty": position.quantity,
        "fee": position.entry_fee,
        "reason": "entry",
    }
    for number, leg in enumerate(position.exits, start=1):
        yield {
            "leg": number,
            "side": "sell",
            "ts": _us(leg.ts_ms),
            "candle_ts": _us(leg.candle_ts_ms),
            "fraction": leg.fraction,
            "raw_price": leg.raw_price,
            "price": leg.price,
            "qty": leg.quantity,
            "fee": leg.fee,
            "reason": leg.reason,
        }


def _us(ts_ms: int) -> int:
    return ts_ms * 1_000


def _table(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    return pa.table(
        [pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names], schema=schema
    )
