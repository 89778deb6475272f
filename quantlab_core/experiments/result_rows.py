"""Result tables from columns: trades, fills, curves and metrics in the schemas of their artifact types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.experiments.artifact_types import (
    EXPERIMENT_CURVES,
    EXPERIMENT_FILLS,
    EXPERIMENT_METRICS,
    EXPERIMENT_TRADES,
)
from quantlab_core.simulation.metrics import Metric
from quantlab_core.simulation.outcome_codes import EXIT_REASONS, NO_REASON, REASONS, STATUSES
from quantlab_core.simulation.portfolio_columns import CurveColumns
from quantlab_core.simulation.trade_columns import PositionColumns, TradeColumns

BASE_PARAM_ID = "base"
"""Parameter set of an experiment that is no sweep."""

NONE_AS_NAN = frozenset(
    {"stale_exit_s", "time_to_2x_s", "time_to_3x_s", "time_to_5x_s", "time_to_10x_s", "dd_before_2x"}
)
"""Columns of a position in which NaN stands for none."""

_Column = Any
"""A column of a table: an Arrow array of any type."""


def trades_table(experiment_id: str, trades: TradeColumns, param_id: str = BASE_PARAM_ID) -> pa.Table:
    """One row per alert; the columns of a position are null where there is none."""
    alerts, n = trades.alerts, len(trades)
    columns: dict[str, _Column] = {
        "experiment_id": _repeated(experiment_id, n),
        "param_id": _repeated(param_id, n),
        "trade_id": _trade_ids(trades, param_id),
        "alert_id": alerts.alert_id,
        "token": alerts.address,
        "chain": alerts.chain,
        "caller": alerts.caller,
        "status": _words(trades.status, STATUSES),
        "reason": _words(trades.reason, REASONS, trades.reason == NO_REASON),
        "alert_ts": pa.array(alerts.alert_ts_us),
    }
    is_none = ~trades.is_closed
    for column in fields(PositionColumns):
        values = getattr(trades.positions, column.name)
        if column.name == "entry_fill_ts_ms":
            continue
        if column.name.endswith("_ts_ms"):
            columns[column.name.removesuffix("_ms")] = _plain(values * 1_000, is_none)
        elif column.name == "exit_reason":
            columns[column.name] = _words(values, EXIT_REASONS, is_none)
        elif column.name in NONE_AS_NAN:
            columns[column.name] = _plain(values, is_none | np.isnan(values))
        else:
            columns[column.name] = _plain(values, is_none)
    return _table(columns, EXPERIMENT_TRADES.schema)


def fills_table(trades: TradeColumns, param_id: str = BASE_PARAM_ID) -> pa.Table:
    """The entry (leg 0) and the exits (legs 1, 2, …) of every position, by trade id."""
    ids = _trade_ids(trades, param_id)
    by_id = np.asarray(pc.sort_indices(ids).to_numpy(), dtype=np.int64)
    rows = by_id[trades.is_closed[by_id]]
    n_exits = np.diff(trades.legs.offsets)[rows]
    first = np.concatenate(([0], np.cumsum(n_exits + 1)))[:-1].astype(np.int64)
    total = int((n_exits + 1).sum())
    is_entry = np.zeros(total, dtype=np.bool_)
    is_entry[first] = True
    leg = np.arange(total) - np.repeat(first, n_exits + 1)
    of_trade = np.repeat(rows, n_exits + 1)
    exits = (trades.legs.offsets[of_trade] + leg - 1)[~is_entry]
    positions, legs = trades.positions, trades.legs

    def filled(at_entry: npt.NDArray[Any], at_exit: npt.NDArray[Any]) -> npt.NDArray[Any]:
        values = np.empty(total, dtype=at_exit.dtype)
        values[is_entry] = at_entry[rows]
        values[~is_entry] = at_exit[exits]
        return values

    entry = len(EXIT_REASONS)
    reasons = filled(np.full(len(trades), entry, dtype=np.int8), legs.reason)
    columns: dict[str, _Column] = {
        "trade_id": ids.take(pa.array(of_trade)),
        "leg": pa.array(leg),
        "side": _words(np.where(is_entry, 0, 1), ("buy", "sell")),
        "ts": pa.array(filled(positions.entry_fill_ts_ms, legs.ts_ms) * 1_000),
        "candle_ts": pa.array(filled(positions.entry_ts_ms, legs.candle_ts_ms) * 1_000),
        "fraction": pa.array(filled(np.ones(len(trades)), legs.fraction)),
        "raw_price": pa.array(filled(positions.entry_raw_price, legs.raw_price)),
        "price": pa.array(filled(positions.entry_price, legs.price)),
        "qty": pa.array(filled(positions.size, legs.quantity)),
        "fee": pa.array(filled(positions.entry_fees, legs.fee)),
        "reason": _words(reasons, (*EXIT_REASONS, "entry")),
    }
    return _table(columns, EXPERIMENT_FILLS.schema)


def curves_table(curve: CurveColumns, param_id: str = BASE_PARAM_ID) -> pa.Table:
    """The portfolio after every event."""
    columns: dict[str, _Column] = {column.name: pa.array(getattr(curve, column.name)) for column in fields(curve)}
    columns["ts"] = pa.array(curve.ts_ms * 1_000)
    columns["param_id"] = _repeated(param_id, len(curve))
    return _table(columns, EXPERIMENT_CURVES.schema)


def metrics_table(metrics: Sequence[Metric], param_id: str = BASE_PARAM_ID) -> pa.Table:
    """Metrics in long form. Confidence bounds are null where none were computed."""
    columns: dict[str, _Column] = {
        "param_id": _repeated(param_id, len(metrics)),
        "metric": pa.array([metric.name for metric in metrics], pa.string()),
        **{
            name: pa.array([getattr(metric, name) for metric in metrics], EXPERIMENT_METRICS.schema.field(name).type)
            for name in ("scope", "scope_key", "value", "ci_low", "ci_high", "n")
        },
    }
    return _table(columns, EXPERIMENT_METRICS.schema)


def _trade_ids(trades: TradeColumns, param_id: str) -> _Column:
    """Deterministic ids of (parameter set, alert)."""
    n = len(trades)
    return pc.binary_join_element_wise(_repeated(param_id, n), trades.alerts.alert_id, _repeated(":", n))


def _words(codes: npt.NDArray[Any], words: Sequence[str], is_none: npt.NDArray[np.bool_] | None = None) -> _Column:
    return pa.array(words, pa.string()).take(pa.array(codes, mask=is_none))


def _plain(values: npt.NDArray[Any], is_none: npt.NDArray[np.bool_]) -> _Column:
    return pa.array(values, mask=is_none, from_pandas=False)


def _repeated(text: str, times: int) -> _Column:
    return pa.repeat(pa.scalar(text, pa.string()), times)


def _table(columns: Mapping[str, _Column], schema: pa.Schema) -> pa.Table:
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)
