"""A strategy as the one-row table of its artifact type, and back. The content says nothing of who published it."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

import pyarrow as pa

from quantlab_core.artifacts.logical_key import format_key, is_key_value
from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.strategy import Strategy, parse_strategy, strategy_mapping
from quantlab_core.strategies.artifact_types import STRATEGY

_WORDS = ("name", "description")
_LONGEST_SLUG = 60
_PRINTED = ("entry_mode", "stop_loss", "trailing_stop", "max_hold_min", "intrabar", "fee", "slippage", "stake")


def strategy_json(strategy: Strategy) -> str:
    """What the strategy does as canonical JSON: keys sorted, defaults written out, words about it left out."""
    mapping = {key: value for key, value in strategy_mapping(strategy).items() if key not in _WORDS}
    return _canonical(mapping)


def strategy_hash(strategy: Strategy) -> str:
    """SHA-256 (64 hex digits) of `strategy_json`: equal for strategies that do the same under whatever name."""
    return hashlib.sha256(strategy_json(strategy).encode()).hexdigest()


def strategy_key(strategy: Strategy) -> str:
    """The logical key under which the strategy is published: by its name, without one by what it does."""
    if strategy.name is None:
        return format_key(STRATEGY, {"strategy": f"unnamed-{strategy_hash(strategy)[:16]}"})
    return key_of_name(strategy.name)


def key_of_name(name: str) -> str:
    """The logical key of the strategy called ``name``.

    A name that cannot stand in a key (blanks, letters beyond ASCII) becomes its slug and 8 digits of its hash, so that
    two names never share a key.
    """
    if is_key_value(name):
        return format_key(STRATEGY, {"strategy": name})
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain)[:_LONGEST_SLUG].strip("-") or "strategy"
    return format_key(STRATEGY, {"strategy": f"{slug}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"})


def strategy_table(strategy: Strategy) -> pa.Table:
    """The table of ``strategy_v1``."""
    mapping = strategy_mapping(strategy)
    row = {
        "name": strategy.name,
        "description": strategy.description,
        "strategy_hash": strategy_hash(strategy),
        **{key: mapping.get(key) for key in _PRINTED},
        "take_profit": _canonical(mapping["take_profit"]),
        "strategy_json": strategy_json(strategy),
    }
    return pa.Table.from_pylist([row], schema=STRATEGY.schema)


def strategy_of(table: pa.Table) -> Strategy:
    """The strategy in ``table``. Raises InvalidInputError where it does not hold exactly one, StrategyError."""
    if table.num_rows != 1 or not {"strategy_json", *_WORDS} <= set(table.column_names):
        raise InvalidInputError(f"a strategy is one row of {STRATEGY.label}; this table has {table.num_rows} rows")
    row = table.select(["strategy_json", *_WORDS]).to_pylist()[0]
    words = {key: row[key] for key in _WORDS if row[key] is not None}
    return parse_strategy({**json.loads(row["strategy_json"]), **words})


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
