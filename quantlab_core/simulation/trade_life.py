"""How long a strategy can keep an alert busy, known before anything is simulated."""

from __future__ import annotations

from quantlab_core.simulation.strategy import Strategy

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US


def longest_life_us(strategy: Strategy) -> int:
    """Microseconds from the moment a call can be acted on to the latest exit: delay, wait, limit order, holding."""
    waits_s = strategy.entry_delay_s + strategy.max_entry_wait_s
    minutes = strategy.max_hold_min + (strategy.limit_ttl_min or 0)
    return round(waits_s * _SECOND_US) + minutes * _MINUTE_US
