"""What became of many alerts, one array per column of ``experiment_trades``: the outcomes of a whole experiment.

The same facts as a list of `AlertOutcome`, in the form from which tables, portfolio and metrics are made quickly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.outcome_codes import CLOSED, EXIT_REASONS, REASONS, STATUSES
from quantlab_core.simulation.trade import ExitLeg, Position

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class AlertColumns:
    """Whose calls they were, in the order of the trades table (alert time, then alert id).

    ``alert_id``, ``address`` and ``chain`` are text arrays, ``caller`` one with nulls; ``alert_ts_us`` is epoch
    microseconds UTC.
    """

    alert_id: pa.Array[Any]
    address: pa.Array[Any]
    chain: pa.Array[Any]
    caller: pa.Array[Any]
    alert_ts_us: Whole

    def __len__(self) -> int:
        return len(self.alert_ts_us)


@dataclass(frozen=True, slots=True, eq=False)
class LegColumns:
    """All exit legs, trade by trade: those of trade ``i`` are the rows ``offsets[i]`` to ``offsets[i + 1]``.

    Meaning and units as in `ExitLeg`; ``reason`` holds codes of `EXIT_REASONS`.
    """

    offsets: Whole
    fraction: Floats
    raw_price: Floats
    price: Floats
    quantity: Floats
    fee: Floats
    ts_ms: Whole
    candle_ts_ms: Whole
    reason: Codes


@dataclass(frozen=True, slots=True, eq=False)
class PositionColumns:
    """One row per alert; rows of alerts without a position hold 0 or NaN and mean nothing (see ``is_closed``).

    Meaning and units as in `Position` and `PathMetrics`. ``exit_reason`` holds codes of `EXIT_REASONS`. NaN stands for
    "none" in ``stale_exit_s``, ``time_to_*`` and ``dd_before_2x``, which are finite otherwise.
    """

    entry_ts_ms: Whole
    entry_fill_ts_ms: Whole
    exit_ts_ms: Whole
    duration_s: Floats
    entry_raw_price: Floats
    entry_price: Floats
    avg_exit_raw_price: Floats
    avg_exit_price: Floats
    size: Floats
    stake: Floats
    entry_fees: Floats
    exit_fees: Floats
    slippage_cost: Floats
    gross_return: Floats
    net_return: Floats
    pnl: Floats
    exit_reason: Codes
    n_exits: Whole
    mfe: Floats
    mae: Floats
    is_ambiguous: Flags
    return_pessimistic: Floats
    return_optimistic: Floats
    is_censored: Flags
    stale_exit_s: Floats
    candles_used: Whole
    missing_candles: Whole
    ath_multiple: Floats
    time_to_2x_s: Floats
    time_to_3x_s: Floats
    time_to_5x_s: Floats
    time_to_10x_s: Floats
    dd_before_2x: Floats
    path_max_drawdown: Floats
    ret_end: Floats


@dataclass(frozen=True, slots=True, eq=False)
class TradeColumns:
    """The outcomes of an experiment. ``status`` holds codes of `STATUSES`, ``reason`` of `REASONS`."""

    alerts: AlertColumns
    status: Codes
    reason: Codes
    positions: PositionColumns
    legs: LegColumns

    def __len__(self) -> int:
        return len(self.status)

    @property
    def is_closed(self) -> Flags:
        """Which alerts became a trade."""
        return np.asarray(self.status == CLOSED)

    @classmethod
    def from_outcomes(cls, outcomes: Sequence[AlertOutcome]) -> TradeColumns:
        """The columns of ``outcomes``, in their order."""
        positions = [outcome.position for outcome in outcomes]
        legs = [leg for position in positions if position is not None for leg in position.exits]
        counts = [0 if position is None else len(position.exits) for position in positions]
        return cls(
            alerts=AlertColumns(
                alert_id=pa.array([outcome.alert_id for outcome in outcomes], pa.string()),
                address=pa.array([outcome.token.address for outcome in outcomes], pa.string()),
                chain=pa.array([outcome.token.chain for outcome in outcomes], pa.string()),
                caller=pa.array([outcome.caller for outcome in outcomes], pa.string()),
                alert_ts_us=np.array([outcome.alert_ts_us for outcome in outcomes], dtype=np.int64),
            ),
            status=np.array([STATUSES.index(outcome.status) for outcome in outcomes], dtype=np.int8),
            reason=np.array([REASONS.index(outcome.reason or "") for outcome in outcomes], dtype=np.int8),
            positions=_position_columns(positions),
            legs=_leg_columns(legs, counts),
        )


def _position_columns(positions: Sequence[Position | None]) -> PositionColumns:
    rows = [None if position is None else _position_row(position) for position in positions]
    columns: dict[str, Any] = {}
    for column in fields(PositionColumns):
        dtype, none = _STORAGE[str(column.type)]
        values = [none if row is None or row[column.name] is None else row[column.name] for row in rows]
        columns[column.name] = np.array(values, dtype=dtype)
    return PositionColumns(**columns)


_STORAGE: dict[str, tuple[type[np.generic], Any]] = {
    "Floats": (np.float64, np.nan),
    "Whole": (np.int64, 0),
    "Codes": (np.int8, 0),
    "Flags": (np.bool_, False),
}


def _position_row(position: Position) -> dict[str, Any]:
    path = position.path
    return {
        "entry_ts_ms": position.entry_ts_ms,
        "entry_fill_ts_ms": position.entry_fill_ts_ms,
        "exit_ts_ms": position.exit_ts_ms,
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
        "exit_reason": EXIT_REASONS.index(position.exit_reason),
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


def _leg_columns(legs: Sequence[ExitLeg], counts: Sequence[int]) -> LegColumns:
    return LegColumns(
        offsets=np.concatenate(([0], np.cumsum(np.array(counts, dtype=np.int64)))).astype(np.int64),
        fraction=np.array([leg.fraction for leg in legs], dtype=np.float64),
        raw_price=np.array([leg.raw_price for leg in legs], dtype=np.float64),
        price=np.array([leg.price for leg in legs], dtype=np.float64),
        quantity=np.array([leg.quantity for leg in legs], dtype=np.float64),
        fee=np.array([leg.fee for leg in legs], dtype=np.float64),
        ts_ms=np.array([leg.ts_ms for leg in legs], dtype=np.int64),
        candle_ts_ms=np.array([leg.candle_ts_ms for leg in legs], dtype=np.int64),
        reason=np.array([EXIT_REASONS.index(leg.reason) for leg in legs], dtype=np.int8),
    )
