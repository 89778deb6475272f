"""Strategies as artifacts: what the content is, under which key, and what is no part of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.errors import InvalidInputError
from quantlab_core.simulation.presets import PRESETS, preset
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_core.strategies.artifact_types import STRATEGY
from quantlab_core.strategies.strategy_table import (
    key_of_name,
    strategy_hash,
    strategy_key,
    strategy_of,
    strategy_table,
)


@pytest.mark.parametrize("name", PRESETS)
def test_a_strategy_comes_back_from_its_table_as_it_was(name: str) -> None:
    table = strategy_table(preset(name))
    assert table.schema == STRATEGY.schema
    assert strategy_of(table) == preset(name)


def test_words_change_the_content_but_not_the_hash_of_what_it_does() -> None:
    plain, described = preset("ladder"), replace(preset("ladder"), name="mine", description="in other words")
    assert strategy_hash(plain) == strategy_hash(described)
    assert content_hash(strategy_table(plain), STRATEGY) != content_hash(strategy_table(described), STRATEGY)


def test_numbers_that_are_written_otherwise_are_the_same_content() -> None:
    first = parse_strategy({"max_hold_min": 60, "stake": 100, "fee": 0})
    second = parse_strategy({"stake": 100.0, "max_hold_min": 60, "stop_steps": []})
    assert content_hash(strategy_table(first), STRATEGY) == content_hash(strategy_table(second), STRATEGY)


def test_readable_columns_say_what_the_json_says() -> None:
    (row,) = strategy_table(preset("ladder")).to_pylist()
    document = json.loads(row["strategy_json"])
    assert row["take_profit"] == "[[1.0,0.4],[2.0,0.3],[4.0,0.2]]"
    for key in ("entry_mode", "stop_loss", "trailing_stop", "max_hold_min", "intrabar", "fee", "slippage", "stake"):
        assert row[key] == document[key], key
    assert not {"name", "description"} & set(document)


def test_a_strategy_without_a_name_is_kept_by_what_it_does() -> None:
    unnamed = parse_strategy({"max_hold_min": 60})
    assert strategy_key(unnamed) == f"strategy=unnamed-{strategy_hash(unnamed)[:16]}"
    assert strategy_key(replace(unnamed, name="hour")) == "strategy=hour"


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_every_name_has_a_key_of_its_own(first: str, second: str) -> None:
    keys = [key_of_name(name) for name in (first, second)]
    assert all(parse_key(STRATEGY, key) for key in keys)
    assert (keys[0] == keys[1]) == (first == second)


def test_names_that_look_alike_do_not_share_a_key() -> None:
    assert key_of_name("tight stop") != key_of_name("Tight Stop")
    assert key_of_name("tight stop").startswith("strategy=tight-stop-")


def test_a_table_that_is_no_strategy_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has 0 rows"):
        strategy_of(STRATEGY.schema.empty_table())
