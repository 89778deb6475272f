"""Artifact types of the earlier store's experiments. They have no upcast: its engine had other rules and kept other
facts, so its results stand beside ours and are not turned into them. Times are epoch milliseconds, money is in USD.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.artifact_type import ArtifactType, column

_TRADE_COLUMNS = [
    column("trade_id", pa.string(), "id of the trade", nullable=True),
    column("call_id", pa.string(), "the alert that it follows", nullable=True),
    column("mint", pa.string(), "token address", nullable=True),
    column("entry_time", pa.int64(), "time of the entry (epoch ms)", nullable=True),
    column("entry_price", pa.float64(), "price paid", nullable=True),
    column("exit_time", pa.int64(), "time of the exit (epoch ms)", nullable=True),
    column("exit_price", pa.float64(), "price got", nullable=True),
    column("exit_reason", pa.string(), "why it was closed", nullable=True),
    column("size", pa.float64(), "size of the position", nullable=True),
    column("gross_pnl", pa.float64(), "profit before costs", nullable=True),
    column("net_pnl", pa.float64(), "profit after costs", nullable=True),
    column("entry_costs", pa.float64(), "costs of the entry", nullable=True),
    column("exit_costs", pa.float64(), "costs of the exit", nullable=True),
    column("borrow_costs", pa.float64(), "costs of borrowing", nullable=True),
    column("peak_multiple", pa.float64(), "highest price / entry price", nullable=True),
    column("max_drawdown", pa.float64(), "largest fall from a peak", nullable=True),
    column("duration", pa.int64(), "exit time - entry time (ms)", nullable=True),
]

_METRIC_COLUMNS = [
    column("total_trades", pa.int32(), "trades", nullable=True),
    column("winning_trades", pa.int32(), "trades with a profit", nullable=True),
    column("losing_trades", pa.int32(), "trades with a loss", nullable=True),
    column("win_rate", pa.float64(), "winning trades / trades", nullable=True),
    column("avg_win", pa.float64(), "mean profit of the winning trades", nullable=True),
    column("avg_loss", pa.float64(), "mean loss of the losing trades", nullable=True),
    column("profit_factor", pa.float64(), "sum of profits / sum of losses", nullable=True),
    column("total_pnl", pa.float64(), "profit after costs", nullable=True),
    column("total_gross_pnl", pa.float64(), "profit before costs", nullable=True),
    column("total_costs", pa.float64(), "costs", nullable=True),
    column("avg_duration", pa.float64(), "mean duration of a trade (ms)", nullable=True),
    column("max_drawdown", pa.float64(), "largest fall of the equity from a peak", nullable=True),
    column("sharpe_ratio", pa.float64(), "as the earlier engine reckoned it", nullable=True),
    column("sortino_ratio", pa.float64(), "as the earlier engine reckoned it", nullable=True),
]

_CURVE_COLUMNS = [
    column("timestamp", pa.int64(), "time of the point (epoch ms)", nullable=True),
    column("equity", pa.float64(), "equity", nullable=True),
    column("cumulative_pnl", pa.float64(), "profit so far", nullable=True),
    column("open_positions", pa.int32(), "open positions", nullable=True),
]

_TRADE_KEYS = ("entry_time", "trade_id")


def _type(output: str, doc: str, columns: list[pa.Field[Any]], sort_keys: tuple[str, ...]) -> ArtifactType:
    names = [field.name for field in columns]
    return ArtifactType(
        name=f"experiment_{output}",
        version=1,
        doc=doc,
        schema=pa.schema(columns),
        sort_key=(*sort_keys, *(name for name in names if name not in sort_keys)),
        unique_key=(),
        key_parts=("experiment",),
        key_suffix=output,
        asset=f"experiment_{output}",
        partition="experiment",
        is_lenient=True,
    )


EARLIER_EXPERIMENT_TYPES = (
    _type("trades", "The trades of one experiment of the earlier store.", _TRADE_COLUMNS, _TRADE_KEYS),
    _type(
        "metrics", "The metrics of one experiment of the earlier store: one row.", _METRIC_COLUMNS, ("total_trades",)
    ),
    _type("curves", "The equity curve of one experiment of the earlier store.", _CURVE_COLUMNS, ("timestamp",)),
)
