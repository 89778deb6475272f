"""The strategy: when to enter, when to leave, at what cost. Meaning of each key: ``docs/strategies.md``.

Fractions are fractions (0.2 is 20 %), gains and stop levels are relative to the price paid. A strategy is checked as a
whole when it is parsed, so the engine never meets one that contradicts itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from typing import Any, Literal, cast, get_args

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.config_fields import ConfigFields
from quantlab_core.simulation.earlier_strategy import from_earlier_strategy, is_earlier_strategy

EntryMode = Literal["next_open", "limit_dip"]
IntrabarPolicy = Literal["stop_first", "target_first", "ohlc_path"]

FRACTION_TOLERANCE = 1e-12
"""How far the fractions of a ladder may exceed 1 through rounding; a remainder below it is sold with the last rung."""

LONGEST_MIN = 5_256_000
"""Ten years in minutes: no duration may be longer."""


@dataclass(frozen=True, slots=True)
class TakeProfit:
    """Sell ``fraction`` of the initial quantity once the price is ``gain`` above the price paid."""

    gain: float
    fraction: float


@dataclass(frozen=True, slots=True)
class StopStep:
    """Once the price was ``trigger`` above the price paid, stop at ``level`` (0 is breakeven)."""

    trigger: float
    level: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A checked strategy; make one with `parse_strategy`. The fields are the keys of a strategy file.

    ``stake`` is money per alert, entry fee included.
    """

    name: str | None = None
    description: str | None = None
    entry_mode: EntryMode = "next_open"
    limit_pct: float | None = None
    limit_ttl_min: int | None = None
    entry_delay_s: float = 0.0
    max_entry_wait_s: float = 300.0
    stop_loss: float | None = None
    take_profit: tuple[TakeProfit, ...] = ()
    stop_steps: tuple[StopStep, ...] = ()
    trailing_stop: float | None = None
    trailing_activation: float = 0.0
    max_hold_min: int
    intrabar: IntrabarPolicy = "stop_first"
    fee: float = 0.0
    slippage: float = 0.0
    stake: float = 1.0


STRATEGY_KEYS = tuple(field.name for field in dataclass_fields(Strategy))


def parse_strategy(mapping: Mapping[str, Any]) -> Strategy:
    """The strategy that ``mapping`` (a strategy file's content) describes; the earlier system's form is mapped first.

    Raises StrategyError naming the key that is unknown, missing, of another type, out of range or in contradiction.
    """
    if is_earlier_strategy(mapping):
        mapping = from_earlier_strategy(mapping)
    _refuse_reentry(mapping)
    fields = ConfigFields("strategy", mapping, STRATEGY_KEYS, StrategyError)
    max_hold_min = fields.whole("max_hold_min", least=1, most=LONGEST_MIN)
    if max_hold_min is None:
        raise fields.refuse("max_hold_min", "is required: minutes after which the position is sold")
    slippage = fields.number("slippage", 0.0, least=0, below=1) or 0.0
    entry_mode = cast(EntryMode, fields.choice("entry_mode", "next_open", get_args(EntryMode)))
    limit_pct, limit_ttl_min = _limit_order(fields, entry_mode)
    trailing_stop, trailing_activation = _trailing_stop(fields, slippage)
    return Strategy(
        max_hold_min=max_hold_min,
        name=fields.text("name"),
        description=fields.text("description"),
        entry_mode=entry_mode,
        limit_pct=limit_pct,
        limit_ttl_min=limit_ttl_min,
        entry_delay_s=fields.number("entry_delay_s", 0.0, least=0, most=LONGEST_MIN * 60) or 0.0,
        max_entry_wait_s=cast(float, fields.number("max_entry_wait_s", 300.0, least=0, most=LONGEST_MIN * 60)),
        stop_loss=_stop_loss(fields, slippage),
        take_profit=_take_profit(fields),
        stop_steps=_stop_steps(fields),
        trailing_stop=trailing_stop,
        trailing_activation=trailing_activation,
        intrabar=cast(IntrabarPolicy, fields.choice("intrabar", "stop_first", get_args(IntrabarPolicy))),
        fee=fields.number("fee", 0.0, least=0, below=1) or 0.0,
        slippage=slippage,
        stake=cast(float, fields.number("stake", 1.0, above=0)),
    )


def strategy_mapping(strategy: Strategy) -> dict[str, Any]:
    """The canonical mapping of ``strategy``: every key that has a value, defaults written out.

    ``parse_strategy(strategy_mapping(s)) == s``.
    """
    values: dict[str, Any] = {key: getattr(strategy, key) for key in STRATEGY_KEYS}
    values["take_profit"] = [[rung.gain, rung.fraction] for rung in strategy.take_profit]
    values["stop_steps"] = [[step.trigger, step.level] for step in strategy.stop_steps]
    if strategy.trailing_stop is None:
        del values["trailing_activation"]
    return {key: value for key, value in values.items() if value is not None}


def _refuse_reentry(mapping: object) -> None:
    for key in mapping if isinstance(mapping, Mapping) else ():
        if "reentry" in str(key).lower().replace("_", "").replace("-", ""):
            raise StrategyError(
                f"strategy: {key} is not supported: re-entry is off, an alert opens one position; remove the key"
            )


def _limit_order(fields: ConfigFields, entry_mode: EntryMode) -> tuple[float | None, int | None]:
    if entry_mode == "next_open":
        for key in ("limit_pct", "limit_ttl_min"):
            if key in fields:
                raise fields.refuse(key, "has no effect without entry_mode limit_dip; remove it or set entry_mode")
        return None, None
    ttl = fields.whole("limit_ttl_min", least=1, most=LONGEST_MIN)
    if ttl is None:
        raise fields.refuse("limit_ttl_min", "is required with entry_mode limit_dip")
    return fields.required_number("limit_pct", above=0, below=1), ttl


def _lowest_useful_stop(slippage: float) -> float:
    """The price paid is R(1+slip): a stop closer to it than this is at or above R and would sell at once."""
    return slippage / (1.0 + slippage)


def _stop_loss(fields: ConfigFields, slippage: float) -> float | None:
    stop_loss = fields.number("stop_loss", above=0, below=1)
    if stop_loss is not None and stop_loss <= _lowest_useful_stop(slippage):
        raise fields.refuse(
            "stop_loss",
            f"{stop_loss:g} lies above the market at entry: with slippage {slippage:g} it must be above "
            f"{_lowest_useful_stop(slippage):.6g}",
        )
    return stop_loss


def _take_profit(fields: ConfigFields) -> tuple[TakeProfit, ...]:
    rungs = tuple(TakeProfit(gain, fraction) for gain, fraction in fields.pairs("take_profit", ("gain", "fraction")))
    total = 0.0
    for position, rung in enumerate(rungs):
        if rung.gain <= 0:
            raise fields.refuse("take_profit", f"gains must be above 0, got {rung.gain:g}")
        if position and rung.gain <= rungs[position - 1].gain:
            before = rungs[position - 1].gain
            raise fields.refuse("take_profit", f"gains must ascend, got {rung.gain:g} after {before:g}")
        if rung.fraction <= 0:
            raise fields.refuse("take_profit", f"fractions must be above 0, got {rung.fraction:g}")
        total += rung.fraction
    if total > 1 + FRACTION_TOLERANCE:
        raise fields.refuse("take_profit", f"fractions sum to {total:.12g}; at most 1 can be sold")
    return rungs


def _stop_steps(fields: ConfigFields) -> tuple[StopStep, ...]:
    steps = tuple(StopStep(trigger, level) for trigger, level in fields.pairs("stop_steps", ("trigger", "level")))
    for step in steps:
        if step.trigger < 0:
            raise fields.refuse("stop_steps", f"triggers must be at least 0, got {step.trigger:g}")
        if step.level <= -1:
            raise fields.refuse("stop_steps", f"levels must be above -1, got {step.level:g}")
        if step.level > step.trigger:
            raise fields.refuse("stop_steps", f"level {step.level:g} lies above its trigger {step.trigger:g}")
    return steps


def _trailing_stop(fields: ConfigFields, slippage: float) -> tuple[float | None, float]:
    trailing_stop = fields.number("trailing_stop", above=0, below=1)
    activation = fields.number("trailing_activation", 0.0, least=0) or 0.0
    if trailing_stop is None:
        if activation:
            raise fields.refuse("trailing_activation", "has no effect without trailing_stop; remove it or set one")
        return None, 0.0
    if activation == 0 and trailing_stop <= _lowest_useful_stop(slippage):
        raise fields.refuse(
            "trailing_stop",
            f"{trailing_stop:g} lies above the market at entry: with slippage {slippage:g} and no activation it must "
            f"be above {_lowest_useful_stop(slippage):.6g}",
        )
    return trailing_stop, activation
