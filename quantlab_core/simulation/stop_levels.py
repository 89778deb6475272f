"""Rule C3: the live stops of one position. Whatever a candle arms or raises is effective from the next candle on."""

from __future__ import annotations

import math

from quantlab_core.simulation.strategy import StopStep, Strategy

NO_STOP = (-math.inf, "")


class StopLevels:
    """Stop loss, steps and trailing stop of a position that was bought at ``entry_price`` (E).

    ``level`` is the highest live one and ``reason`` its name; at equal levels a stop loss comes before a step, and a
    step before the trailing stop.
    """

    def __init__(self, strategy: Strategy, entry_price: float) -> None:
        self._entry_price = entry_price
        self._highest = 0.0
        self._trailing_stop = strategy.trailing_stop
        self._is_trailing = strategy.trailing_activation == 0
        self._activation_price = entry_price * (1.0 + strategy.trailing_activation)
        self._waiting: tuple[StopStep, ...] = strategy.stop_steps
        stop_loss = strategy.stop_loss
        self._fixed = NO_STOP if stop_loss is None else (entry_price * (1.0 - stop_loss), "stop_loss")
        self.level, self.reason = self._binding()

    def update(self, high: float) -> None:
        """Take in a completed candle's ``high``: raise the peak, arm steps, activate the trailing stop."""
        if high <= self._highest:
            return  # all that this high could arm or raise, an earlier one has
        self._highest = high
        self._is_trailing = self._is_trailing or high >= self._activation_price
        self._arm_steps(high)
        self.level, self.reason = self._binding()

    def _arm_steps(self, high: float) -> None:
        still_waiting = []
        for step in self._waiting:
            if high < self._entry_price * (1.0 + step.trigger):
                still_waiting.append(step)
                continue
            level = self._entry_price * (1.0 + step.level)
            if level > self._fixed[0]:
                self._fixed = (level, "breakeven_stop" if step.level == 0 else "step_stop")
        self._waiting = tuple(still_waiting)

    def _binding(self) -> tuple[float, str]:
        if self._trailing_stop is None or not self._is_trailing:
            return self._fixed
        trail = max(self._entry_price, self._highest) * (1.0 - self._trailing_stop)
        return (trail, "trailing_stop") if trail > self._fixed[0] else self._fixed
