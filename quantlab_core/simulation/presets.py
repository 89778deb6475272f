"""Named strategies to start from. They are examples of the format, not advice; each is written out in the docs."""

from __future__ import annotations

from typing import Any

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.config_fields import nearest
from quantlab_core.simulation.strategy import Strategy, parse_strategy

PRESETS: dict[str, dict[str, Any]] = {
    "hold_24h": {
        "name": "hold_24h",
        "description": "Buy at the next open, sell after 24 hours. The baseline that every other strategy must beat.",
        "max_hold_min": 1_440,
        "fee": 0.01,
        "slippage": 0.005,
        "stake": 100,
    },
    "momentum": {
        "name": "momentum",
        "description": "Let it run: a hard stop, then breakeven and a trailing stop once the price has risen by half.",
        "stop_loss": 0.35,
        "stop_steps": [[0.5, 0.0]],
        "trailing_stop": 0.3,
        "trailing_activation": 0.5,
        "max_hold_min": 1_440,
        "fee": 0.01,
        "slippage": 0.005,
        "stake": 100,
    },
    "ladder": {
        "name": "ladder",
        "description": "Sell in rungs at 2, 3 and 5 times the price paid, and trail what is left.",
        "stop_loss": 0.5,
        "take_profit": [[1.0, 0.4], [2.0, 0.3], [4.0, 0.2]],
        "stop_steps": [[1.0, 0.0]],
        "trailing_stop": 0.4,
        "trailing_activation": 1.0,
        "max_hold_min": 1_440,
        "fee": 0.01,
        "slippage": 0.005,
        "stake": 100,
    },
    "tight_stop": {
        "name": "tight_stop",
        "description": "Risk 15 % for 30 %, within four hours.",
        "stop_loss": 0.15,
        "take_profit": [[0.3, 1.0]],
        "max_hold_min": 240,
        "fee": 0.01,
        "slippage": 0.005,
        "stake": 100,
    },
    "dip_buyer": {
        "name": "dip_buyer",
        "description": "Wait up to 30 minutes for a dip of 20 % below the first open, then aim for half as much again.",
        "entry_mode": "limit_dip",
        "limit_pct": 0.2,
        "limit_ttl_min": 30,
        "stop_loss": 0.3,
        "take_profit": [[0.5, 1.0]],
        "max_hold_min": 720,
        "fee": 0.01,
        "slippage": 0.005,
        "stake": 100,
    },
}
"""Costs are 1 % fee and 0.5 % slippage a side, the order of magnitude of small tokens on decentralised exchanges."""


def preset(name: str) -> Strategy:
    """The preset called ``name``. Raises StrategyError naming the nearest one."""
    if name not in PRESETS:
        raise StrategyError(f"no strategy preset {name!r}{nearest(name, PRESETS)}")
    return parse_strategy(PRESETS[name])
