"""Strategy files: what is accepted, what is refused, and that every refusal names the key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.presets import PRESETS, preset
from quantlab_core.simulation.strategy import (
    STRATEGY_KEYS,
    Strategy,
    parse_strategy,
    strategy_mapping,
)

FULL: dict[str, Any] = {
    "name": "everything",
    "description": "each key once",
    "entry_mode": "limit_dip",
    "limit_pct": 0.1,
    "limit_ttl_min": 15,
    "entry_delay_s": 2.5,
    "max_entry_wait_s": 120,
    "stop_loss": 0.3,
    "take_profit": [[0.5, 0.5], [2, 0.25]],
    "stop_steps": [[0.5, 0.0], [1.0, 0.4]],
    "trailing_stop": 0.25,
    "trailing_activation": 0.5,
    "max_hold_min": 1_440,
    "intrabar": "ohlc_path",
    "fee": 0.01,
    "slippage": 0.005,
    "stake": 250,
}


def test_a_strategy_with_every_key_survives_the_way_to_its_mapping_and_back() -> None:
    assert set(FULL) == set(STRATEGY_KEYS)
    strategy = parse_strategy(FULL)
    assert strategy_mapping(strategy) == FULL
    assert parse_strategy(strategy_mapping(strategy)) == strategy


def test_only_the_longest_hold_is_required_and_the_defaults_cost_nothing() -> None:
    strategy = parse_strategy({"max_hold_min": 3})
    assert strategy == Strategy(max_hold_min=3)
    assert strategy_mapping(strategy) == {
        "entry_mode": "next_open",
        "entry_delay_s": 0.0,
        "max_entry_wait_s": 300.0,
        "take_profit": [],
        "stop_steps": [],
        "max_hold_min": 3,
        "intrabar": "stop_first",
        "fee": 0.0,
        "slippage": 0.0,
        "stake": 1.0,
    }


def test_null_counts_as_absent_and_a_whole_float_as_a_whole_number() -> None:
    assert parse_strategy({"max_hold_min": 60.0, "stop_loss": None}) == Strategy(max_hold_min=60)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_hold_min": None}, "max_hold_min is required"),
        ({"max_hold_min": 0}, "max_hold_min must be from 1 to"),
        ({"max_hold_min": -5}, "max_hold_min must be from 1 to"),
        ({"max_hold_min": 1.5}, "max_hold_min must be a whole number"),
        ({"max_hold_min": "60"}, "max_hold_min must be a whole number, got '60'"),
        ({"max_hold_min": True}, "max_hold_min must be a whole number, got True"),
        ({"max_hold_min": float("nan")}, "max_hold_min must be a whole number, got nan"),
        ({"max_hold_min": float("inf")}, "max_hold_min must be a whole number, got inf"),
        ({"max_hold_min": 10**400}, "max_hold_min must be a whole number"),
        ({"stoploss": 0.2}, "unknown key 'stoploss'; did you mean 'stop_loss'?"),
        ({"zzz": 1}, "unknown key 'zzz'; known: description, entry_delay_s"),
        ({1: 1}, "unknown key 1"),
        ({"stop_loss": 0}, "stop_loss must be above 0 and below 1, got 0"),
        ({"stop_loss": -0.2}, "stop_loss must be above 0 and below 1, got -0.2"),
        ({"stop_loss": 1}, "stop_loss must be above 0 and below 1, got 1"),
        ({"stop_loss": "20%"}, "stop_loss must be a finite number, got '20%'"),
        ({"stop_loss": float("nan")}, "stop_loss must be a finite number, got nan"),
        ({"stop_loss": False}, "stop_loss must be a finite number, got False"),
        ({"stop_loss": 0.1, "slippage": 0.125}, "stop_loss 0.1 lies above the market at entry"),
        # 0.25 / 1.25 = 0.2: the level is the raw price itself
        ({"stop_loss": 0.2, "slippage": 0.25}, "stop_loss 0.2 lies above the market at entry"),
        ({"trailing_stop": 0.1, "slippage": 0.125}, "trailing_stop 0.1 lies above the market at entry"),
        ({"trailing_stop": 1.0}, "trailing_stop must be above 0 and below 1"),
        ({"trailing_activation": 0.5}, "trailing_activation has no effect without trailing_stop"),
        ({"trailing_stop": 0.2, "trailing_activation": -0.1}, "trailing_activation must be at least 0"),
        ({"take_profit": [[0.5, 0.6], [1.0, 0.6]]}, "take_profit fractions sum to 1.2; at most 1 can be sold"),
        ({"take_profit": [[1.0, 0.5], [0.5, 0.5]]}, "take_profit gains must ascend, got 0.5 after 1"),
        ({"take_profit": [[0.5, 0.5], [0.5, 0.5]]}, "take_profit gains must ascend"),
        ({"take_profit": [[0, 1]]}, "take_profit gains must be above 0"),
        ({"take_profit": [[0.5, 0]]}, "take_profit fractions must be above 0"),
        ({"take_profit": [[0.5]]}, "take_profit must be a list of [gain, fraction] pairs, its item 1 is [0.5]"),
        ({"take_profit": 0.5}, "take_profit must be a list of [gain, fraction] pairs, got 0.5"),
        ({"take_profit": "0.5"}, "take_profit must be a list"),
        ({"take_profit": [[0.5, "half"]]}, "take_profit item 1 (fraction) must be a finite number, got 'half'"),
        ({"take_profit": [[float("inf"), 1]]}, "take_profit item 1 (gain) must be a finite number, got inf"),
        ({"stop_steps": [[0.5, 0.6]]}, "stop_steps level 0.6 lies above its trigger 0.5"),
        ({"stop_steps": [[-0.5, -0.6]]}, "stop_steps triggers must be at least 0"),
        ({"stop_steps": [[0.5, -1]]}, "stop_steps levels must be above -1"),
        ({"fee": 1}, "fee must be at least 0 and below 1, got 1"),
        ({"fee": -0.01}, "fee must be at least 0 and below 1"),
        ({"slippage": 1.0}, "slippage must be at least 0 and below 1"),
        ({"stake": 0}, "stake must be above 0"),
        ({"entry_delay_s": -1}, "entry_delay_s must be at least 0"),
        ({"max_entry_wait_s": -1}, "max_entry_wait_s must be at least 0"),
        ({"entry_mode": "market"}, "entry_mode must be one of next_open, limit_dip, got 'market'"),
        ({"intrabar": ["stop_first"]}, "intrabar must be one of stop_first, target_first, ohlc_path"),
        ({"limit_pct": 0.1}, "limit_pct has no effect without entry_mode limit_dip"),
        ({"limit_ttl_min": 5}, "limit_ttl_min has no effect without entry_mode limit_dip"),
        ({"entry_mode": "limit_dip", "limit_ttl_min": 5}, "limit_pct is required"),
        ({"entry_mode": "limit_dip", "limit_pct": 0.1}, "limit_ttl_min is required"),
        ({"entry_mode": "limit_dip", "limit_pct": 1, "limit_ttl_min": 5}, "limit_pct must be above 0 and below 1"),
        ({"name": 5}, "name must be text"),
        ({"re_entry": True}, "re_entry is not supported: re-entry is off"),
        ({"reEntryConfig": {}}, "reEntryConfig is not supported"),
        ({"trailingReEntry": 0.5}, "trailingReEntry is not supported"),
        ({"reentry_config": None}, "reentry_config is not supported"),
    ],
)
def test_a_strategy_that_contradicts_itself_is_refused_in_one_line(change: dict[Any, Any], message: str) -> None:
    with pytest.raises(StrategyError) as refusal:
        parse_strategy({"max_hold_min": 60} | change)
    text = str(refusal.value)
    assert text.startswith("strategy: ")
    assert message in text
    assert "\n" not in text


def test_a_strategy_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(StrategyError, match="expected a mapping"):
        parse_strategy(["stop_loss"])  # type: ignore[arg-type]


def test_fractions_may_exceed_one_by_rounding_only() -> None:
    rungs = [[0.1, 0.7], [0.2, 0.2], [0.3, 0.1 + 5e-13]]
    assert len(parse_strategy({"max_hold_min": 1, "take_profit": rungs}).take_profit) == 3
    with pytest.raises(StrategyError, match="fractions sum to"):
        parse_strategy({"max_hold_min": 1, "take_profit": [[0.1, 1.0], [0.2, 2e-12]]})


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_is_a_valid_strategy_under_its_own_name(name: str) -> None:
    assert preset(name).name == name


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(StrategyError, match=r"no strategy preset 'momentun'; did you mean 'momentum'\?"):
        preset("momentun")


def test_the_presets_in_the_docs_are_the_presets() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "strategies.md").read_text(encoding="utf-8")
    (presets,) = re.findall(r"^## Presets\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    written = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", presets, re.DOTALL)]
    undescribed = [{key: value for key, value in each.items() if key != "description"} for each in PRESETS.values()]
    assert written == undescribed


def test_every_key_is_in_the_docs() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "strategies.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE))))
    assert set(STRATEGY_KEYS) <= documented
