"""What decides where a call is bought: strategies that agree on it share their entries."""

from __future__ import annotations

from dataclasses import dataclass

from quantlab_core.simulation.strategy import Strategy


@dataclass(frozen=True, slots=True)
class EntryRule:
    """Rule C2 of a strategy in numbers: milliseconds and fractions. ``limit_pct`` is None for a buy at the open."""

    delay_ms: int
    wait_ms: float
    limit_pct: float | None
    limit_ttl_ms: int

    @classmethod
    def of(cls, strategy: Strategy) -> EntryRule:
        """The entry rule of ``strategy``, with the reference's own roundings."""
        return cls(
            delay_ms=round(strategy.entry_delay_s * 1_000),
            wait_ms=strategy.max_entry_wait_s * 1_000,
            limit_pct=strategy.limit_pct,
            limit_ttl_ms=(strategy.limit_ttl_min or 0) * 60_000,
        )
