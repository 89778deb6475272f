"""A purse that runs through the trades of an experiment, or of one caller or month, again and again.

numba is loaded when the first one runs, never when this module is imported.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.simulation.portfolio import PortfolioConfig, initial_purse
from quantlab_core.simulation.portfolio_columns import CurveColumns, PortfolioColumns
from quantlab_core.simulation.trade_columns import TradeColumns, Whole

LARGEST_MONEY = 1e290
"""Sums of money beyond it might overflow, and what Python makes of that is the plain portfolio's to say."""


class ColumnPurse:
    """`run_portfolio` over the rows of one `TradeColumns`, bit by bit; what all runs share is prepared once."""

    def __init__(self, trades: TradeColumns, config: PortfolioConfig, strategy_stake: float) -> None:
        self._trades = trades
        self._config = config
        self._stake, self.starting_capital = initial_purse(config, strategy_stake)
        alert_rank = _rank_of_alerts(trades)
        closed = np.flatnonzero(trades.is_closed)
        order = np.lexsort((alert_rank[closed], trades.positions.entry_fill_ts_ms[closed]))
        self._entries = closed[order].astype(np.int64)
        legs = trades.legs
        self._leg_trade = np.repeat(np.arange(len(trades), dtype=np.int64), np.diff(legs.offsets))
        numbers = np.arange(len(legs.ts_ms), dtype=np.int64)
        self._leg_of_rank = np.lexsort((numbers, alert_rank[self._leg_trade], legs.ts_ms)).astype(np.int64)
        self._leg_rank = np.empty_like(self._leg_of_rank)
        self._leg_rank[self._leg_of_rank] = numbers
        self._token, n_tokens = _token_codes(trades)
        self._held = np.zeros(n_tokens, dtype=np.int64)
        self._open_cost, self._scales = np.empty(len(trades)), np.empty(len(trades))

    @staticmethod
    def can_run(trades: TradeColumns, config: PortfolioConfig, strategy_stake: float) -> bool:
        """Whether all money is finite and far from overflow: what is not has to take the plain portfolio."""
        positions, legs = trades.positions, trades.legs
        money = (
            *(positions.stake[trades.is_closed], positions.entry_fees[trades.is_closed], legs.fee),
            *(legs.quantity * legs.price, np.array(initial_purse(config, strategy_stake))),
        )
        return all(bool((np.abs(values) < LARGEST_MONEY).all()) for values in money)

    def run(self, rows: Whole | None = None) -> PortfolioColumns:
        """The portfolio of all trades, or of the trades at ``rows`` alone."""
        from quantlab_core.simulation.compiled import purse_kernel as kernel

        rows = self._entries if rows is None else self._in_order_of_entry(rows)
        positions, legs, config = self._trades.positions, self._trades.legs, self._config
        n_legs = int((legs.offsets[rows + 1] - legs.offsets[rows]).sum())
        codes = np.empty(len(rows), dtype=np.int8)
        floats = np.empty((len(rows) + n_legs, len(kernel.CURVE_FLOATS)))
        whole = np.empty((len(rows) + n_legs, len(kernel.CURVE_WHOLE)), dtype=np.int64)
        run_purse: Any = kernel.run_purse  # numba's own type takes no arguments
        n = run_purse(
            *(rows, positions.entry_fill_ts_ms, self._token, positions.stake, positions.entry_fees, legs.offsets),
            *(legs.ts_ms, legs.fraction, legs.quantity, legs.price, legs.fee),
            *(self._leg_rank, self._leg_of_rank, self._leg_trade),
            *(self.starting_capital, self._stake, config.sizing == "fraction_of_equity"),
            *(-1 if config.max_open is None else config.max_open, config.one_per_token),
            *(self._open_cost, self._scales, self._held, codes, floats, whole),
        )
        columns: dict[str, npt.NDArray[Any]] = dict(zip(kernel.CURVE_FLOATS, floats[:n].T.copy(), strict=True))
        columns |= zip(kernel.CURVE_WHOLE, whole[:n].T.copy(), strict=True)
        is_taken = codes == kernel.TAKEN
        return PortfolioColumns(
            starting_capital=self.starting_capital,
            curve=CurveColumns(**columns),
            taken=rows[is_taken],
            rejected=rows[~is_taken],
            rejection=codes[~is_taken],
        )

    def _in_order_of_entry(self, rows: Whole) -> Whole:
        is_wanted = np.zeros(len(self._trades), dtype=np.bool_)
        is_wanted[rows] = True
        return self._entries[is_wanted[self._entries]]


def _rank_of_alerts(trades: TradeColumns) -> Whole:
    """The place of each alert by time, then id."""
    alerts = pa.table({"at": pa.array(trades.alerts.alert_ts_us), "id": trades.alerts.alert_id})
    order = pc.sort_indices(alerts, sort_keys=[("at", "ascending"), ("id", "ascending")]).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order), dtype=np.int64)
    return rank


def _token_codes(trades: TradeColumns) -> tuple[Whole, int]:
    """A number for each token, and how many there are."""
    between = pa.repeat(pa.scalar("\0"), len(trades))
    encoded = pc.binary_join_element_wise(trades.alerts.chain, trades.alerts.address, between).dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(), dtype=np.int64), len(encoded.dictionary)
