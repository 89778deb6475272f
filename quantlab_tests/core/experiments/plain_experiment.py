"""An experiment as a plain loop: every alert by itself through `simulate`, every row a dictionary.

What the lab computes in columns has to equal it to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from quantlab_core.candles.epoch_time import EPOCH, epoch_microseconds
from quantlab_core.candles.source_spans import decode_spans, span_end_at
from quantlab_core.experiments.artifact_types import EXPERIMENT_CURVES, EXPERIMENT_FILLS, EXPERIMENT_TRADES
from quantlab_core.experiments.checked_config import CheckedConfig, check_config
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.listed_calls import Call
from quantlab_core.experiments.selection import exclusion_reason, tradable_from_us
from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.entry import first_row_after_alert
from quantlab_core.simulation.portfolio import PortfolioRun, run_portfolio
from quantlab_core.simulation.trade import Position
from quantlab_core.token import EVM_CHAINS, Token


@dataclass(frozen=True, slots=True)
class PlainExperiment:
    """Outcomes by alert time and id, the portfolio of all of them, and three tables."""

    outcomes: list[AlertOutcome]
    portfolio: PortfolioRun
    trades: pa.Table
    fills: pa.Table
    curves: pa.Table


def run_plainly(
    experiment_id: str, config: ExperimentConfig, alerts: pa.Table, candles: Mapping[Token, pa.Table]
) -> PlainExperiment:
    """The experiment, slowly."""
    checked = check_config(config)
    rows = sorted(alerts.to_pylist(), key=lambda row: (row["alert_ts_utc"], row["alert_id"]))
    in_range = [row for row in rows if checked.alert_range.holds(epoch_microseconds(row["alert_ts_utc"]))]
    outcomes = [_outcome(row, candles, checked) for row in in_range]
    portfolio = run_portfolio(outcomes, checked.params.portfolio, checked.strategy.stake)
    return PlainExperiment(
        outcomes,
        portfolio,
        pa.Table.from_pylist([_trade(experiment_id, one) for one in outcomes], schema=EXPERIMENT_TRADES.schema),
        pa.Table.from_pylist(
            [fill for one in sorted(outcomes, key=lambda one: f"base:{one.alert_id}") for fill in _fills(one)],
            schema=EXPERIMENT_FILLS.schema,
        ),
        pa.Table.from_pylist(
            [
                {
                    "param_id": "base", "ts": _instant(point.ts_ms), "cash": point.cash, "equity": point.equity,
                    "n_open": point.n_open, "exposure": point.exposure, "drawdown": point.drawdown,
                    "drawdown_duration_s": point.drawdown_duration_s,
                }
                for point in portfolio.curve
            ],
            schema=EXPERIMENT_CURVES.schema,
        ),
    )  # fmt: skip


def _outcome(row: Mapping[str, Any], candles: Mapping[Token, pa.Table], checked: CheckedConfig) -> AlertOutcome:
    chain, mint = row["chain"], row["mint"]
    token = Token(chain, mint.lower() if chain in EVM_CHAINS else mint)
    edited = row["edited_ts"]
    call = Call(
        row["alert_id"], token, row["alert_chat_id"], row["caller_name_norm"], row["caller_id"],
        epoch_microseconds(row["alert_ts_utc"]), None if edited is None else epoch_microseconds(edited),
        row["token_proven_at_call"],
    )  # fmt: skip
    known = (row["alert_id"], token, call.caller, call.alert_ts_us)
    exclusion = exclusion_reason(call, checked.params.selection)
    if exclusion is not None:
        return AlertOutcome(*known, "excluded", exclusion)
    if token not in candles:
        return AlertOutcome(*known, "no_entry", "no_candle_series")
    table = candles[token]
    metadata = table.schema.metadata
    series = CandleSeries.from_table(table, metadata[b"resolution"].decode())
    from_ms = tradable_from_us(call, checked.params.selection) // 1_000
    first = first_row_after_alert(series, from_ms, checked.strategy)
    spans = decode_spans(metadata[b"source_spans"].decode())
    end = None if first is None else span_end_at(spans, EPOCH + timedelta(milliseconds=int(series.ts_ms[first])))
    trade = simulate(
        series,
        alert_ts_ms=from_ms,
        strategy=checked.strategy,
        coverage_end_ms=None if end is None else epoch_microseconds(end) // 1_000,
        dead_price=checked.params.dead_token,
    )
    return AlertOutcome(*known, trade.status, trade.reason, trade.position)


def _trade(experiment_id: str, outcome: AlertOutcome) -> dict[str, Any]:
    return {
        "experiment_id": experiment_id,
        "param_id": "base",
        "trade_id": f"base:{outcome.alert_id}",
        "alert_id": outcome.alert_id,
        "token": outcome.token.address,
        "chain": outcome.token.chain,
        "caller": outcome.caller,
        "status": outcome.status,
        "reason": outcome.reason,
        "alert_ts": EPOCH + timedelta(microseconds=outcome.alert_ts_us),
    } | ({} if outcome.position is None else _of_position(outcome.position))


def _of_position(position: Position) -> dict[str, Any]:
    own = (
        *("duration_s", "entry_raw_price", "entry_price", "avg_exit_raw_price", "avg_exit_price", "stake"),
        *("exit_fees", "slippage_cost", "gross_return", "net_return", "pnl", "exit_reason", "mfe", "mae"),
        *("is_ambiguous", "return_pessimistic", "return_optimistic", "is_censored", "stale_exit_s"),
        *("candles_used", "missing_candles"),
    )
    path = position.path
    return {name: getattr(position, name) for name in own} | {
        "entry_ts": _instant(position.entry_ts_ms),
        "exit_ts": _instant(position.exit_ts_ms),
        "size": position.quantity,
        "entry_fees": position.entry_fee,
        "n_exits": len(position.exits),
        "ath_multiple": path.ath_multiple,
        **{f"time_to_{multiple}x_s": path.time_to_multiple_s.get(multiple) for multiple in (2, 3, 5, 10)},
        "dd_before_2x": path.dd_before_multiple.get(2),
        "path_max_drawdown": path.max_drawdown,
        "ret_end": path.ret_end,
    }


def _fills(outcome: AlertOutcome) -> list[dict[str, Any]]:
    position = outcome.position
    if position is None:
        return []
    entry = {
        "leg": 0, "side": "buy", "ts": _instant(position.entry_fill_ts_ms), "candle_ts": _instant(position.entry_ts_ms),
        "fraction": 1.0, "raw_price": position.entry_raw_price, "price": position.entry_price,
        "qty": position.quantity, "fee": position.entry_fee, "reason": "entry",
    }  # fmt: skip
    exits = [
        {
            "leg": number, "side": "sell", "ts": _instant(leg.ts_ms), "candle_ts": _instant(leg.candle_ts_ms),
            "fraction": leg.fraction, "raw_price": leg.raw_price, "price": leg.price, "qty": leg.quantity,
            "fee": leg.fee, "reason": leg.reason,
        }
        for number, leg in enumerate(position.exits, start=1)
    ]  # fmt: skip
    return [{"trade_id": f"base:{outcome.alert_id}", **fill} for fill in (entry, *exits)]


def _instant(ts_ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ts_ms)
