"""Leaderboards: the statistics of a caller by hand, and that one lucky call does not win."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.errors import NotFoundError
from quantlab_core.experiments.artifact_types import EXPERIMENT_METRICS, EXPERIMENT_TRADES
from quantlab_core.experiments.experiment import (
    DateRange,
    Experiment,
    ExperimentConfig,
    ExperimentDefinition,
    ExperimentInputs,
    ExperimentProvenance,
    ExperimentStatus,
)
from quantlab_core.leaderboards.artifact_types import CALLER_LEADERBOARD, EXPERIMENT_LEADERBOARD
from quantlab_core.leaderboards.board_experiment import board_experiment
from quantlab_core.leaderboards.caller_statistics import caller_statistics
from quantlab_core.leaderboards.experiment_leaderboard import experiment_leaderboard
from quantlab_core.statistics.rate_bounds import wilson_lower_bound

REQUIRED = {"experiment_id": "e", "param_id": "base", "chain": "solana", "alert_ts": 0, "reason": None}


def trade(
    number: int,
    caller: str | None,
    net_return: float | None,
    ath: float | None = None,
    *,
    token: str | None = None,
    time_to_2x_s: float | None = None,
    dd_before_2x: float | None = None,
) -> dict[str, object]:
    row = {
        "trade_id": f"base:{number}", "alert_id": str(number), "token": token or f"t{number}", "caller": caller,
        "status": "no_entry" if net_return is None else "closed", "net_return": net_return, "ath_multiple": ath,
        "time_to_2x_s": time_to_2x_s, "dd_before_2x": dd_before_2x,
    }  # fmt: skip
    return {**dict.fromkeys(EXPERIMENT_TRADES.schema.names), **REQUIRED, **row}


def board(rows: list[dict[str, object]]) -> dict[str, dict[str, object]]:
    table = caller_statistics(pa.Table.from_pylist(rows, schema=EXPERIMENT_TRADES.schema), samples=200)
    assert table.schema.equals(CALLER_LEADERBOARD.schema, check_metadata=True)
    assert table["rank"].to_pylist() == list(range(1, table.num_rows + 1))
    return {row["caller"]: row for row in table.to_pylist()}


def test_a_caller_by_hand() -> None:
    ann = board(
        [
            trade(0, "ann", 1.0, 2.5, time_to_2x_s=60.0, dd_before_2x=-0.1),
            trade(1, "ann", -0.5, 1.1, token="same"),  # noqa: S106 - a token is a coin here
            trade(2, "ann", 2.0, 6.0, token="same", time_to_2x_s=180.0, dd_before_2x=-0.3),  # noqa: S106
            trade(3, "ann", -0.1, 1.5),
            trade(4, "ann", None),
        ]
    )["ann"]
    expected = {
        "rank": 1, "experiment_id": "e", "param_id": "base",
        "caller": "ann", "n_calls": 5, "n_trades": 4, "n_tokens": 3,
        "hit_rate_2x": 0.5, "hit_rate_3x": 0.25, "hit_rate_5x": 0.25, "hit_rate_10x": 0.0,
        "hit_rate_2x_low": wilson_lower_bound(0.5, 3, 0.95),
        # ascending 1.1, 1.5, 2.5, 6.0; position = share x 3
        "median_ath_multiple": 2.0, "p25_ath_multiple": 1.4, "p75_ath_multiple": 3.375, "p95_ath_multiple": 5.475,
        "median_time_to_2x_s": 120.0, "median_dd_before_2x": -0.2,
        "mean_return": 0.6, "median_return": 0.45, "mean_return_low": None, "score": None,
    }  # fmt: skip
    assert set(ann) == set(expected)
    for name, value in expected.items():
        assert ann[name] == (pytest.approx(value) if isinstance(value, float) else value), name


def test_a_caller_without_trades_is_listed_last() -> None:
    found = board([trade(0, None, None), trade(1, "bob", 0.5, 1.6), trade(2, "bob", 0.1, 1.2), trade(3, "eve", 0.2, 2)])
    assert list(found)[-1] == "(unknown)"
    assert found["eve"]["hit_rate_2x"] == 1, "a touch counts"
    assert found["(unknown)"]["n_calls"] == 1
    assert found["(unknown)"]["hit_rate_2x"] is None


def test_one_lucky_call_does_not_lead_the_board() -> None:
    swings = (-0.4, 0.0, 0.4)
    rows = [trade(number, "steady", 0.5 + swings[number % 3], 1.6) for number in range(60)]
    rows += [trade(100 + number, f"c{number % 8}", -0.3 + swings[number % 3], 1.1) for number in range(160)]
    rows.append(trade(999, "lucky", 0.9, 1.9))
    found = board(rows)
    assert next(iter(found)) == "steady"
    low = found["steady"]["mean_return_low"]
    assert isinstance(low, float)
    assert 0.3 < low < 0.5
    assert found["lucky"]["mean_return_low"] is None


def test_the_lower_bound_is_one_sided() -> None:
    swings = (-0.4, 0.0, 0.4)
    rows = [trade(number, "ann", 0.5 + swings[number % 3], 1.6) for number in range(60)]
    (ann,) = caller_statistics(pa.Table.from_pylist(rows, schema=EXPERIMENT_TRADES.schema), samples=5_000).to_pylist()
    # mean - 1.645 standard errors
    assert ann["mean_return_low"] == pytest.approx(0.5 - 1.645 * 0.4 * math.sqrt(2 / 3) / math.sqrt(60), abs=0.005)


def test_rows_in_any_order_give_the_same_board() -> None:
    rows = [trade(number, f"c{number % 3}", math.sin(number), 1 + number % 4) for number in range(90)]
    assert board(rows) == board(rows[::-1])


def test_no_trades_give_an_empty_board() -> None:
    assert board([]) == {}


def metric(name: str, value: float | None, ci_low: float | None = None, scope: str = "all") -> dict[str, object]:
    return {
        "param_id": "base", "scope": scope, "scope_key": "all", "metric": name, "value": value,
        "ci_low": ci_low, "ci_high": None, "n": 9,
    }  # fmt: skip


def test_experiments_are_ranked_by_their_lower_bounds() -> None:
    tables = {
        "wild": [metric("mean_return", 0.9, -0.2), metric("n_trades", 30.0), metric("dsr", None)],
        "sound": [metric("mean_return", 0.2, 0.1), metric("mean_return", 5.0, 5.0, "caller"), metric("n_trades", 9.0)],
        "unbounded": [metric("mean_return", 3.0)],
    }
    found = experiment_leaderboard(
        {name: pa.Table.from_pylist(rows, schema=EXPERIMENT_METRICS.schema) for name, rows in tables.items()}
    )
    assert found.schema.equals(EXPERIMENT_LEADERBOARD.schema, check_metadata=True)
    shown = found.select(["rank", "experiment_id", "n_trades", "mean_return_low", "mean_return", "dsr"]).to_pylist()
    assert [tuple(row.values()) for row in shown] == [
        (1, "sound", 9, 0.1, 0.2, None),
        (2, "wild", 30, -0.2, 0.9, None),
        (3, "unbounded", 0, None, 3.0, None),
    ]


def test_a_sweep_stands_there_with_its_chosen_set_and_the_number_of_its_sets() -> None:
    rows = [
        {**metric("mean_return", 0.9), "param_id": "other"},
        {**metric("mean_return", 0.2, 0.1), "param_id": "chosen"},
        {**metric("dsr", None), "param_id": "chosen"},
    ]
    found = experiment_leaderboard({"sweep": pa.Table.from_pylist(rows, schema=EXPERIMENT_METRICS.schema)})
    (row,) = found.select(["param_id", "n_sets", "mean_return"]).to_pylist()
    assert row == {"param_id": "chosen", "n_sets": 2, "mean_return": 0.2}


def completed(experiment_id: str, created: str, *, status: str = "completed", **config: Any) -> Experiment:
    strategy = {"max_hold_min": 60, **config.pop("strategy", {})}
    definition = ExperimentDefinition(
        experiment_id=experiment_id,
        name=experiment_id,
        inputs=ExperimentInputs((), ()),
        config=ExperimentConfig(strategy, DateRange(None, None), config),
        provenance=ExperimentProvenance("c", git_dirty=False, engine_version="1", created_at=created),
        alert_set_id="a",
        candle_set_id="c",
    )
    return Experiment(definition, "d", ExperimentStatus(status))


def test_the_callers_are_those_of_the_newest_experiment_that_only_holds() -> None:
    held = completed("held", "2025-05-01")
    newer = completed("newer", "2025-05-02", strategy={"take_profit": []})
    stopped = completed("stopped", "2025-05-03", strategy={"stop_loss": 0.2})
    swept = completed("swept", "2025-05-04", sweep={"grid": {"stop_loss": [0.1]}})
    failed = completed("failed", "2025-05-05", status="failed")
    assert board_experiment([held, newer, stopped, swept, failed]) is newer
    assert board_experiment([stopped, swept, failed]) is swept, "none only holds: the newest"
    with pytest.raises(NotFoundError, match="none is completed"):
        board_experiment([failed])
