"""Strategies of the earlier system's form mean what their words say; what cannot be mapped is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.errors import StrategyError
from quantlab_core.simulation.candle_series import CandleSeries
from quantlab_core.simulation.engine import simulate
from quantlab_core.simulation.strategy import StopStep, TakeProfit, parse_strategy, strategy_mapping

SHARED = Path(__file__).resolve().parents[4] / "shared" / "cases" / "legacy_simulator_inputs.json"


def test_targets_are_multiples_and_stops_are_signed_fractions() -> None:
    strategy = parse_strategy(
        {
            "name": "ladder",
            "exit_config": {
                "profit_targets": [{"target": 1.5, "percent": 0.25}, {"target": 3.0, "percent": 0.75}],
                "stop_loss": {"initial": -0.25, "trailing": 0.5, "trailingPercent": 0.2},
            },
        }
    )
    assert strategy.take_profit == (TakeProfit(0.5, 0.25), TakeProfit(2.0, 0.75))
    assert (strategy.stop_loss, strategy.trailing_stop, strategy.trailing_activation) == (0.25, 0.2, 0.5)
    assert (strategy.name, strategy.entry_mode, strategy.max_hold_min) == ("ladder", "next_open", 1_440)


def test_a_drop_to_wait_for_is_a_limit_order_that_lives_as_long() -> None:
    strategy = parse_strategy({"entryConfig": {"initialEntry": -0.3, "trailingEntry": "none", "maxWaitTime": 45}})
    assert (strategy.entry_mode, strategy.limit_pct, strategy.limit_ttl_min) == ("limit_dip", 0.3, 45)


def test_keys_of_today_stand_beside_the_earlier_blocks() -> None:
    strategy = parse_strategy(
        {"exit_config": {"stop_loss": {"initial": -0.5}}, "max_hold_min": 60, "fee": 0.01, "stop_steps": [[0.5, 0.0]]}
    )
    assert (strategy.stop_loss, strategy.max_hold_min, strategy.fee) == (0.5, 60, 0.01)
    assert strategy.stop_steps == (StopStep(0.5, 0.0),)


def test_a_mapped_strategy_is_written_with_the_keys_of_today() -> None:
    strategy = parse_strategy({"exit_config": {"profit_targets": [{"target": 2.0, "percent": 1.0}]}})
    mapping = strategy_mapping(strategy)
    assert mapping["take_profit"] == [[1.0, 1.0]]
    assert "exit_config" not in mapping
    assert parse_strategy(mapping) == strategy


@pytest.mark.parametrize(
    ("mapping", "named"),
    [
        ({"exit_config": {}, "reentry_config": {"trailingReEntry": 0.5, "maxReEntries": 1}}, "trailingReEntry"),
        ({"entry_config": {"trailingEntry": 0.1}}, "trailingEntry"),
        ({"entry_config": {"initialEntry": 0.3}}, "initialEntry"),
        ({"entry_config": {"initalEntry": -0.3}}, "initialEntry"),
        ({"exit_config": {"profit_targets": [{"target": 0.9, "percent": 1.0}]}}, "target"),
        ({"exit_config": {"profit_targets": [{"target": 2.0, "percent": 0.7}] * 2}}, "take_profit"),
        ({"exit_config": {"stop_loss": {"initial": 0.25}}}, "initial"),
        ({"exit_config": {"stop_loss": {"trailing": 0.5}}}, "trailingPercent"),
        ({"exit_config": {"stop_loss": {"initial": -0.2}}, "stop_loss": 0.3}, "stop_loss is given twice"),
        ({"exit_config": [1]}, "exit_config"),
    ],
)
def test_what_cannot_be_mapped_is_refused_by_name(mapping: dict[str, Any], named: str) -> None:
    with pytest.raises(StrategyError, match=named):
        parse_strategy(mapping)


@pytest.mark.parametrize("off", [None, {}, {"maxReEntries": 0, "trailingReEntry": "none", "sizePercent": 0.5}])
def test_re_entry_that_is_switched_off_is_no_re_entry(off: object) -> None:
    assert parse_strategy({"exit_config": {}, "reentry_config": off}).max_hold_min == 1_440


@pytest.mark.skipif(not SHARED.exists(), reason="the shared cases are not beside this checkout")
def test_every_input_of_the_earlier_simulator_runs_or_is_refused_for_its_re_entry() -> None:
    for case in json.loads(SHARED.read_text()):
        blocks = {key: case[key] for key in ("entry_config", "exit_config", "reentry_config") if key in case}
        if "reentry_config" in blocks:
            with pytest.raises(StrategyError, match="re-entry"):
                parse_strategy(blocks)
            continue
        rows = [
            (row["timestamp"] * 1_000, row["open"], row["high"], row["low"], row["close"]) for row in case["candles"]
        ]
        # One millisecond before the first candle: its open is the entry that these inputs mean.
        trade = simulate(CandleSeries.from_rows(rows), alert_ts_ms=rows[0][0] - 1, strategy=parse_strategy(blocks))
        expected = "no_entry" if case["name"] == "no_trade_price_never_drops" else "closed"
        assert trade.status == expected, case["name"]
