"""A strategy and its surroundings in plain words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from quantlab_resources.reports.number_text import duration, number, percent


def strategy_rules(strategy: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A strategy's settings in plain words, in the order in which a trade meets them; unknown keys as they stand."""
    given = {key: value for key, value in strategy.items() if value not in (None, [], ())}
    unnamed = {key: value for key, value in given.items() if key not in ("name", "description")}
    known = [(label, write(unnamed.pop(key))) for key, (label, write) in _RULES.items() if key in unnamed]
    return known + [(key.replace("_", " "), _plain(value)) for key, value in sorted(unnamed.items())]


def flat_settings(mapping: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines of name and value, by name."""
    rows: list[tuple[str, str]] = []
    for key, value in sorted(mapping.items()):
        if isinstance(value, Mapping):
            rows += flat_settings(value, f"{prefix}{key}: ")
        elif value is not None:
            rows.append((f"{prefix}{key}".replace("_", " "), _plain(value)))
    return rows


def _gain_ladder(steps: Any) -> str:
    return (
        ", ".join(f"{percent(share, digits=0, signed=False)} at {percent(gain, digits=0)}" for gain, share in steps)
        or "none"
    )


def _stop_ladder(steps: Any) -> str:
    return (
        ", ".join(f"to {percent(level, digits=0)} after {percent(trigger, digits=0)}" for trigger, level in steps)
        or "none"
    )


def _share(value: Any) -> str:
    return percent(float(value), signed=False).replace(".0", "")


def _minutes(value: Any) -> str:
    return duration(float(value) * 60)


def _seconds(value: Any) -> str:
    return f"{float(value):g} s"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("_", " ")
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict)


_RULES: dict[str, tuple[str, Any]] = {
    "entry_mode": ("Enters", _plain),
    "entry_delay_s": ("Delay before the entry", _seconds),
    "max_entry_wait_s": ("Waits for a candle at most", _seconds),
    "limit_pct": ("Limit below the first open", _share),
    "limit_ttl_min": ("Limit lives for", _minutes),
    "stop_loss": ("Stop loss below the price paid", _share),
    "take_profit": ("Sells", _gain_ladder),
    "stop_steps": ("Raises the stop", _stop_ladder),
    "trailing_stop": ("Trailing stop below the highest price", _share),
    "trailing_activation": ("Trailing starts after a gain of", _share),
    "max_hold_min": ("Holds at most", _minutes),
    "intrabar": ("Order of events in a candle", _plain),
    "fee": ("Fee a side", _share),
    "slippage": ("Slippage a side", _share),
    "stake": ("Stake a trade", lambda value: number(float(value))),
}
