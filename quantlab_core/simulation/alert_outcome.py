"""What became of one alert of an experiment: the row that portfolio, metrics and tables are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from quantlab_core.simulation.trade import Position, TradeStatus
from quantlab_core.token import Token

OutcomeStatus = TradeStatus | Literal["excluded"]


@dataclass(frozen=True, slots=True)
class AlertOutcome:
    """One alert and what the strategy did with it. ``alert_ts_us`` is epoch microseconds UTC, as in alerts tables."""

    alert_id: str
    token: Token
    caller: str | None
    alert_ts_us: int
    status: OutcomeStatus
    reason: str | None = None
    position: Position | None = None
