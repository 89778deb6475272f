"""Strategies as the earlier system wrote them, mapped to the keys of a strategy file.

There a strategy was a few blocks: ``entry_config`` (a drop to wait for), ``exit_config`` (targets as multiples of the
price paid, a stop and a trailing stop as signed fractions) and ``reentry_config``. Only the words are mapped: what
happens inside a candle is that of ``docs/simulation.md``, not of the earlier simulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quantlab_core.errors import QuantlabError, StrategyError
from quantlab_core.simulation.config_fields import ConfigFields

BLOCKS = ("entry_config", "exit_config", "reentry_config")
_CAMEL_CASE = {"entryConfig": "entry_config", "exitConfig": "exit_config", "reentryConfig": "reentry_config"}
_RENAMED = {"profitTargets": "profit_targets", "stopLoss": "stop_loss"}

DEFAULT_HOLD_MIN = 1_440
"""The earlier system held until its candles ended; without ``max_hold_min`` beside the blocks, a day."""

DEFAULT_WAIT_MIN = 60
"""How long a drop was waited for where nothing else was said, in minutes."""

_NOTHING = (None, "none", 0)


def is_earlier_strategy(mapping: object) -> bool:
    """Whether ``mapping`` has the block of entries or of exits that the earlier form is made of."""
    return isinstance(mapping, Mapping) and any(_CAMEL_CASE.get(key, key) in BLOCKS[:2] for key in mapping)


def from_earlier_strategy(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The strategy file's mapping for one of the earlier form; keys beside its blocks stay as they are.

    | earlier | here |
    |---|---|
    | ``entry_config.initialEntry`` -0.3 | ``entry_mode: limit_dip``, ``limit_pct: 0.3`` |
    | ``entry_config.maxWaitTime`` 60 (minutes) | ``limit_ttl_min: 60`` |
    | ``exit_config.profit_targets`` ``{target: 2.0, percent: 0.5}`` | ``take_profit: [[1.0, 0.5]]`` |
    | ``exit_config.stop_loss.initial`` -0.25 | ``stop_loss: 0.25`` |
    | ``exit_config.stop_loss.trailing`` 0.5 | ``trailing_activation: 0.5`` |
    | ``exit_config.stop_loss.trailingPercent`` 0.25 | ``trailing_stop: 0.25`` |

    ``none`` and null say that there is none. Raises StrategyError naming the key for a trailing entry, for re-entry,
    and for anything else that this table does not hold.
    """
    named = {_CAMEL_CASE.get(key, key): value for key, value in mapping.items()}
    blocks = {block: named.pop(block, None) for block in BLOCKS}
    _refuse_reentry(blocks["reentry_config"])
    mapped = {**_entry(blocks["entry_config"] or {}), **_exits(blocks["exit_config"] or {})}
    for key in mapped:
        if key in named:
            raise StrategyError(f"strategy: {key} is given twice: by itself and in an earlier block; keep one")
    return {"max_hold_min": DEFAULT_HOLD_MIN, **named, **mapped}


def _refuse_reentry(block: object) -> None:
    given = block if isinstance(block, Mapping) else {"reentry_config": block}
    for key, value in given.items():
        if key != "sizePercent" and value not in _NOTHING:
            raise StrategyError(
                f"strategy: {key} is not supported: re-entry is off, an alert opens one position; remove the block"
            )


def _entry(block: object) -> dict[str, Any]:
    fields = ConfigFields("entry_config", block, ("initialEntry", "trailingEntry", "maxWaitTime"), StrategyError)
    given = dict(block) if isinstance(block, Mapping) else {}
    if given.get("trailingEntry") not in _NOTHING:
        raise fields.refuse("trailingEntry", "is not supported: an entry is the next open or a dip; set it to none")
    wait = fields.whole("maxWaitTime", DEFAULT_WAIT_MIN, least=1)
    if given.get("initialEntry") in _NOTHING:
        return {}
    drop = fields.required_number("initialEntry", above=-1, below=0)
    return {"entry_mode": "limit_dip", "limit_pct": -drop, "limit_ttl_min": wait}


def _exits(block: object) -> dict[str, Any]:
    if isinstance(block, Mapping):
        block = {_RENAMED.get(key, key): value for key, value in block.items()}
    fields = ConfigFields("exit_config", block, ("profit_targets", "stop_loss"), StrategyError)
    return {**_targets(fields, fields.block("profit_targets")), **_stops(fields.block("stop_loss"))}


def _targets(fields: ConfigFields, targets: object) -> dict[str, Any]:
    if not targets or targets == "none":
        return {}
    if not isinstance(targets, list | tuple):
        raise fields.refuse("profit_targets", "must be a list of {target, percent}")
    rungs = []
    for position, target in enumerate(targets, start=1):
        rung = ConfigFields(
            f"exit_config: profit_targets item {position}", target, ("target", "percent"), StrategyError
        )
        rungs.append([rung.required_number("target", above=1) - 1.0, rung.required_number("percent", above=0)])
    return {"take_profit": rungs}


def _stops(block: object) -> dict[str, Any]:
    if isinstance(block, Mapping):
        block = {key: value for key, value in block.items() if value not in _NOTHING or key == "trailing"}
    fields = ConfigFields("exit_config: stop_loss", block, ("initial", "trailing", "trailingPercent"), StrategyError)
    stops: dict[str, Any] = {}
    if "initial" in fields:
        stops["stop_loss"] = -fields.required_number("initial", above=-1, below=0)
    activation = None if _is_off(block) else fields.number("trailing", least=0)
    if "trailingPercent" in fields:
        stops["trailing_stop"] = fields.required_number("trailingPercent", above=0, below=1)
        if activation is not None:
            stops["trailing_activation"] = activation
    elif activation:
        raise _without_percent(fields)
    return stops


def _is_off(block: object) -> bool:
    return isinstance(block, Mapping) and block.get("trailing") == "none"


def _without_percent(fields: ConfigFields) -> QuantlabError:
    return fields.refuse("trailing", "says when to trail but trailingPercent does not say by how much; give both")
