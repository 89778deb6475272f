"""Closed trades drawn by hand: when they open, when they close, what they return. Costs are zero unless given."""

from __future__ import annotations

from quantlab_core.simulation.alert_outcome import AlertOutcome
from quantlab_core.simulation.path_metrics import PathMetrics
from quantlab_core.simulation.trade import ExitLeg, Position
from quantlab_core.token import Token

DAY_S = 86_400
T0_S = 1_746_057_600
"""2025-05-01T00:00:00Z."""


def closed(
    alert_id: str,
    entry_s: float,
    *legs: tuple[float, float, float],
    stake: float = 100.0,
    fee: float = 0.0,
    caller: str | None = "ann",
    mint: str | None = None,
    is_ambiguous: bool = False,
    is_censored: bool = False,
) -> AlertOutcome:
    """A trade entered ``entry_s`` after T0 with legs (seconds after T0, fraction, price / entry price)."""
    quantity = stake / (1 + fee)
    exits = tuple(
        ExitLeg(
            fraction, multiple, multiple, quantity * fraction, quantity * fraction * multiple * fee,
            round((T0_S + at_s) * 1_000), round((T0_S + at_s) * 1_000), "take_profit",
        )
        for at_s, fraction, multiple in legs
    )  # fmt: skip
    received = sum(leg.quantity * leg.price - leg.fee for leg in exits)
    net_return = received / stake - 1
    entry_ts_ms = round((T0_S + entry_s) * 1_000)
    path = PathMetrics(1.0, 0.0, 0.0, 0.0, 0.0, {}, {})
    position = Position(
        stake=stake, entry_ts_ms=entry_ts_ms, entry_fill_ts_ms=entry_ts_ms, entry_raw_price=1.0, entry_price=1.0,
        quantity=quantity, entry_fee=quantity * fee, exits=exits, gross_return=net_return, net_return=net_return,
        mfe=0.0, mae=0.0, is_ambiguous=is_ambiguous, return_pessimistic=net_return, return_optimistic=net_return,
        is_censored=is_censored, stale_exit_s=None, candles_used=1, missing_candles=0, path=path,
    )  # fmt: skip
    alert_ts_us = entry_ts_ms * 1_000 - 30_000_000
    return AlertOutcome(alert_id, Token("solana", mint or alert_id), caller, alert_ts_us, "closed", None, position)


def untraded(alert_id: str, at_s: float, *, caller: str | None = "ann") -> AlertOutcome:
    """An alert without an entry."""
    return AlertOutcome(
        alert_id, Token("solana", alert_id), caller, round((T0_S + at_s) * 1_000_000), "no_entry", "no_candle"
    )
