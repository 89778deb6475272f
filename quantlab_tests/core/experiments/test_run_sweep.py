"""A sweep is its sets run one by one: the same rows, bit for bit; the best is said to be the best of many."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments import run_sweep as module
from quantlab_core.experiments import sweep_scores
from quantlab_core.experiments.artifact_types import EXPERIMENT_PARAMETER_SETS
from quantlab_core.experiments.chosen_set import headline_param_id, reported_param_id
from quantlab_core.experiments.experiment_tables import ExperimentTables, run_experiment
from quantlab_core.experiments.run_sweep import run_sweep
from quantlab_core.experiments.sweep_map import sweep_map
from quantlab_core.simulation.candle_pack import Calls, CandlePack
from quantlab_core.simulation.sweep import record_index
from quantlab_core.simulation.sweep.candle_faults import CandleFaults
from quantlab_core.simulation.sweep.entry_rule import EntryRule
from quantlab_core.statistics.backtest_overfitting import backtest_overfitting
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import alerts_table, candles_table, config_of

STRATEGY = {"fee": 0.01, "slippage": 0.005, "stake": 100, "stop_loss": 0.2, "trailing_stop": 0.3}
STATISTICS = {"bootstrap": {"samples": 200}}
GRID = {"grid": {"stop_loss": [0.1, 0.3, 0.003], "take_profit": [[[0.3, 0.5], [0.6, 0.5]], []], "max_hold_min": [30]}}
DAYS = 26


@cache
def world() -> tuple[pa.Table, dict[Token, pa.Table]]:
    """A call a day of each of a few tokens, one of them without candles, and an hour of prices after each."""
    chance = np.random.default_rng(5)
    alerts, candles = [], {}
    for number in range(24):
        rows = []
        for day in range(DAYS):
            closes = np.exp(np.cumsum(chance.normal(0.001, 0.05, 60)))
            opens = np.concatenate(([1.0], closes[:-1]))
            highs, lows = np.maximum(opens, closes) * 1.01, np.minimum(opens, closes) * 0.99
            minutes = range(day * 1_440, day * 1_440 + 60)
            rows += zip(minutes, opens.tolist(), highs.tolist(), lows.tolist(), closes.tolist(), strict=True)
        if number:
            candles[Token("solana", f"M{number}")] = candles_table(*rows, spans_min=[(-10, 60 * 1_440)])
    for call in range(3 * DAYS):
        number = int(chance.integers(0, 24))
        at_s = (call % DAYS) * 86_400 + int(chance.integers(0, 1_200))
        alerts.append(
            {"at_s": at_s, "alert_id": f"a{call:03d}", "mint": f"M{number}", "caller_name_norm": f"c{call % 3}"}
        )
    return alerts_table(*alerts), candles


def swept(sweep: dict[str, Any], **params: Any) -> ExperimentTables:
    alerts, candles = world()
    config = config_of(STRATEGY, sweep=sweep, **{"statistics": STATISTICS, **params})
    return run_sweep(experiment_id="x", config=config, alerts=alerts, candles=candles)


def single(strategy: dict[str, Any], **params: Any) -> ExperimentTables:
    alerts, candles = world()
    config = config_of(strategy, **{"statistics": STATISTICS, **params})
    return run_experiment(experiment_id="x", config=config, alerts=alerts, candles=candles)


def sets(tables: ExperimentTables) -> list[dict[str, Any]]:
    assert tables.parameter_sets is not None
    return list(tables.parameter_sets.to_pylist())


def tried(tables: ExperimentTables) -> list[dict[str, Any]]:
    return sorted((row for row in sets(tables) if row["rank"]), key=lambda row: row["rank"])


def overall(tables: ExperimentTables, param_id: str) -> dict[str, dict[str, Any]]:
    of_set = (pc.field("param_id") == param_id) & (pc.field("scope") == "all")
    return {row["metric"]: {**row, "param_id": ""} for row in tables.metrics.filter(of_set).to_pylist()}


def entry(tables: ExperimentTables, code: str) -> dict[str, Any]:
    (found,) = [row for row in tables.diagnostics.to_pylist() if row["code"] == code]
    return dict(found)


def without_ids(table: pa.Table) -> pa.Table:
    return table.drop_columns([name for name in ("param_id", "trade_id") if name in table.column_names])


@pytest.mark.parametrize("choice", [{}, {"choose_by": "total_return"}, {"keep_trades": "all"}])
def test_every_row_of_a_set_is_that_of_the_single_experiment(choice: dict[str, Any]) -> None:
    tables = swept({**GRID, **choice})
    assert len(tried(tables)) == 4
    for row in tried(tables):
        alone = single(json.loads(row["strategy"]))
        expected, found = overall(alone, "base"), overall(tables, row["param_id"])
        if row["is_chosen"]:
            assert set(found) == set(expected)
        for name in set(found) - {"dsr", "pbo"}:
            if row["is_chosen"] or name == "mean_return":
                assert found[name] == expected[name]
            else:
                assert found[name] == {**expected[name], "ci_low": None, "ci_high": None}
        assert row["mean_return_low"] == expected["mean_return"]["ci_low"] is not None
        has_purse = row["is_chosen"] or choice
        assert row["total_return"] == (expected["total_return"]["value"] if has_purse else None)
        if row["is_chosen"] or choice.get("keep_trades"):
            for name in ("trades", "curves"):
                mine = getattr(tables, name).filter(pc.field("param_id") == row["param_id"])
                assert without_ids(mine).equals(without_ids(getattr(alone, name))), name
        if row["is_chosen"]:
            scopes = [table.filter(pc.field("scope") != "all") for table in (tables.metrics, alone.metrics)]
            assert without_ids(scopes[0]).equals(without_ids(scopes[1]))
            assert headline_param_id(tables.metrics) == row["param_id"] == reported_param_id(tables.parameter_sets)


def test_trades_and_fills_are_of_the_chosen_set_or_of_all() -> None:
    chosen, kept = swept(GRID), swept({**GRID, "keep_trades": "all"})
    assert set(chosen.trades["param_id"].to_pylist()) == {tried(chosen)[0]["param_id"]}
    assert set(kept.trades["param_id"].to_pylist()) == {row["param_id"] for row in tried(kept)}
    assert kept.fills.equals(kept.fills.sort_by([("trade_id", "ascending"), ("leg", "ascending")]))
    assert set(chosen.fills["trade_id"].to_pylist()) < set(kept.fills["trade_id"].to_pylist())


def test_the_tables_are_in_their_schemas_and_in_order() -> None:
    tables = swept(GRID)
    assert tables.parameter_sets is not None
    assert tables.parameter_sets.schema.equals(EXPERIMENT_PARAMETER_SETS.schema)
    ids = tables.parameter_sets["param_id"].to_pylist()
    assert ids == sorted(ids)
    by_key = [(key, "ascending") for key in ("param_id", "scope", "scope_key", "metric")]
    assert tables.metrics.equals(tables.metrics.sort_by(by_key))


@pytest.mark.parametrize("measure", ["sharpe", "mean_return_low", "median_return", "max_drawdown"])
def test_sets_are_ranked_by_what_they_are_chosen_by(measure: str) -> None:
    ranked = tried(swept({**GRID, "choose_by": measure}))
    assert [row["rank"] for row in ranked] == [1, 2, 3, 4]
    values = [row["measure"] for row in ranked]
    assert values == sorted(values, reverse=True)
    assert values == [row[measure] for row in ranked]
    assert [row["is_chosen"] for row in ranked] == [True, False, False, False]


def test_the_chosen_set_carries_the_evidence_of_having_been_chosen() -> None:
    tables = swept(GRID)
    chosen = tried(tables)[0]
    found = overall(tables, chosen["param_id"])
    said = {code: json.loads(entry(tables, code)["context"]) for code in ("chosen_from_sets", "dsr", "pbo")}
    assert said["chosen_from_sets"]["n_sets"] == said["dsr"]["n_trials"] == 4
    assert said["chosen_from_sets"]["n_excluded"] == 2
    assert found["dsr"]["value"] == said["dsr"]["dsr"] < said["dsr"]["psr"], "four tries cost something"
    assert found["pbo"]["value"] == said["pbo"]["pbo"]
    assert said["dsr"]["sharpe"] == pytest.approx(chosen["sharpe"])
    assert entry(tables, "chosen_from_sets")["level"] == "warning"
    assert "contradict themselves" in entry(tables, "sets_left_out")["message"]


def test_the_evidence_is_that_of_the_daily_profits_of_the_sets_kept() -> None:
    tables = swept({**GRID, "keep_trades": "all"})
    first = np.datetime64("2025-05-01", "D")
    days = np.zeros((4, DAYS))
    order = sorted({row["param_id"] for row in tried(tables)})
    for trade in tables.trades.to_pylist():
        if trade["status"] == "closed":
            day = (np.datetime64(trade["exit_ts"].replace(tzinfo=None), "D") - first).astype(int)
            days[order.index(trade["param_id"]), day] += trade["net_return"]
    chosen = headline_param_id(tables.metrics)
    assert overall(tables, chosen)["pbo"]["value"] == backtest_overfitting(days).pbo
    best = days[order.index(chosen)]
    assert tried(tables)[0]["sharpe"] == pytest.approx(best.mean() / best.std(ddof=1))


def test_blocks_of_sets_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = swept(GRID)
    monkeypatch.setattr(sweep_scores, "CELLS_AT_ONCE", 100)
    in_blocks = swept(GRID)
    for name in ("trades", "fills", "curves", "metrics", "diagnostics", "parameter_sets"):
        assert getattr(in_blocks, name).equals(getattr(whole, name)), name


def test_one_set_alone_was_chosen_from_nothing() -> None:
    tables = swept({"list": [{}]})
    assert entry(tables, "chosen_from_sets")["level"] == "info"
    assert "one parameter set" in entry(tables, "pbo")["message"]


def test_sets_that_are_equal_are_said_to_be() -> None:
    tables = swept({"grid": {"trailing_activation": [5.0, 6.0, 7.0]}}, seed=1)
    assert "2 other sets are as good" in entry(tables, "chosen_from_sets")["message"]
    assert tried(tables)[0]["param_id"] == min(row["param_id"] for row in sets(tables))


def test_a_sweep_without_alerts_is_complete_and_says_so() -> None:
    tables = run_sweep(experiment_id="x", config=config_of(STRATEGY, sweep=GRID), alerts=alerts_table(), candles={})
    assert tables.trades.num_rows == 0
    assert {row["n_trades"] for row in tried(tables)} == {0}
    assert "none has a value of sharpe" in entry(tables, "chosen_from_sets")["message"]
    assert entry(tables, "dsr")["level"] == entry(tables, "pbo")["level"] == "warning"
    assert headline_param_id(tables.metrics) == tried(tables)[0]["param_id"]


def test_more_trades_than_can_be_held_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_TRADES", 100)
    with pytest.raises(InvalidInputError, match=r"would keep 312 trades \(4 sets of 78 alerts\); at most 100"):
        swept({**GRID, "keep_trades": "all"})


def test_a_sweep_and_a_single_experiment_are_not_taken_for_each_other() -> None:
    alerts, candles = world()
    with pytest.raises(InvalidInputError, match="is a sweep of many parameter sets"):
        run_experiment(experiment_id="x", config=config_of(STRATEGY, sweep=GRID), alerts=alerts, candles=candles)
    with pytest.raises(InvalidInputError, match="is no sweep"):
        run_sweep(experiment_id="x", config=config_of(STRATEGY), alerts=alerts, candles=candles)


def test_a_sweep_of_two_keys_has_a_map() -> None:
    tables = swept(GRID)
    drawn = sweep_map(tables.parameter_sets)
    assert drawn is not None
    assert (drawn.measure, drawn.row_key, drawn.column_key) == ("sharpe", "take_profit", "stop_loss")
    assert drawn.columns == ("0.003", "0.1", "0.3")
    assert drawn.rows == ("[[0.3, 0.5], [0.6, 0.5]]", "[]")
    assert [line[0] for line in drawn.values] == [None, None], "left out"
    row, column = drawn.chosen
    assert (
        drawn.values[row][column]
        == tried(tables)[0]["measure"]
        == max(value for line in drawn.values for value in line if value is not None)
    )
    assert sweep_map(swept({"grid": {"stop_loss": [0.1, 0.2]}}).parameter_sets) is None


@pytest.mark.parametrize("dead_token", ["last_close", "zero"])
def test_a_sweep_on_record_indexes_has_the_same_rows(dead_token: str) -> None:
    asked: list[tuple[EntryRule, int]] = []

    def index_of(
        pack: CandlePack, calls: Calls, faults: CandleFaults, rule: EntryRule, hold_ms: int
    ) -> record_index.RecordIndex:
        asked.append((rule, hold_ms // 60_000))
        return record_index.build_record_index(pack, calls, faults, rule, hold_ms)

    grid = {**GRID["grid"], "max_hold_min": [10, 30], "entry_delay_s": [0, 90]}
    alerts, candles = world()
    config = config_of(STRATEGY, sweep={"grid": grid}, statistics=STATISTICS, stress={"dead_token": dead_token})
    given = {"experiment_id": "x", "config": config, "alerts": alerts, "candles": candles}
    on_records, on_candles = run_sweep(**given, index_of=index_of), run_sweep(**given)
    for name in ("trades", "fills", "curves", "metrics", "diagnostics", "parameter_sets"):
        assert getattr(on_records, name).equals(getattr(on_candles, name)), name
    assert [(rule.delay_ms, hold_min) for rule, hold_min in asked] == [(0, 30), (90_000, 30)]


def test_a_sweep_of_many_entry_rules_asks_for_no_index() -> None:
    def index_of(*_: object, **__: object) -> record_index.RecordIndex:
        raise AssertionError("asked")

    grid = {"entry_delay_s": list(range(0, 60 * (sweep_scores.MOST_INDEXES + 1), 60))}
    alerts, candles = world()
    config = config_of(STRATEGY, sweep={"grid": grid})
    tables = run_sweep(experiment_id="x", config=config, alerts=alerts, candles=candles, index_of=index_of)
    assert len(tried(tables)) == sweep_scores.MOST_INDEXES + 1
