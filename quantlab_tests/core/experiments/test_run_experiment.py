"""Running an experiment: five tables in their schemas, every alert accounted for, the same inputs the same tables."""

from __future__ import annotations

import json
import random
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.errors import InvalidInputError, StrategyError
from quantlab_core.experiments.artifact_types import (
    EXPERIMENT_CURVES,
    EXPERIMENT_DIAGNOSTICS,
    EXPERIMENT_FILLS,
    EXPERIMENT_METRICS,
    EXPERIMENT_TRADES,
)
from quantlab_core.experiments.experiment import ExperimentConfig
from quantlab_core.experiments.experiment_tables import ExperimentTables, run_experiment
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import T0, alerts_table, candles_table, config_of

MINT_A = Token("solana", "MintA")
RISING = candles_table((0, 100, 110, 95, 105), (1, 105, 160, 104, 150), (2, 150, 151, 120, 130))
TARGET = {"take_profit": [[0.5, 1.0]], "stop_loss": 0.2, "stake": 100}

SPECS = {
    "trades": EXPERIMENT_TRADES,
    "fills": EXPERIMENT_FILLS,
    "curves": EXPERIMENT_CURVES,
    "metrics": EXPERIMENT_METRICS,
    "diagnostics": EXPERIMENT_DIAGNOSTICS,
}


def run(alerts: pa.Table, candles: dict[Token, pa.Table], config: ExperimentConfig | None = None) -> ExperimentTables:
    tables = run_experiment(experiment_id="exp", config=config or config_of(TARGET), alerts=alerts, candles=candles)
    for name, spec in SPECS.items():
        table: pa.Table = getattr(tables, name)
        table.validate(full=True)
        assert table.schema.equals(spec.schema), name
        assert table.equals(table.sort_by([(key, "ascending") for key in spec.sort_key])), f"{name} is not in order"
        for column in spec.schema:
            assert column.nullable or table[column.name].null_count == 0, f"{name}.{column.name}"
    return tables


def codes(tables: ExperimentTables) -> list[tuple[str, str | None]]:
    return [(row["code"], row["alert_id"]) for row in tables.diagnostics.to_pylist()]


def statuses(tables: ExperimentTables) -> dict[str, tuple[str, str | None]]:
    return {row["alert_id"]: (row["status"], row["reason"]) for row in tables.trades.to_pylist()}


def test_one_call_becomes_a_trade_with_its_fills_and_its_curve() -> None:
    tables = run(alerts_table({"at_s": -1}), {MINT_A: RISING})
    (trade,) = tables.trades.to_pylist()
    # bought at 100, target 150 reached in minute 1: +50 % of 100
    assert trade["trade_id"] == "base:alert-0"
    assert (trade["status"], trade["exit_reason"], trade["net_return"], trade["pnl"]) == (
        "closed",
        "take_profit",
        0.5,
        50,
    )
    assert trade["entry_ts"] == T0
    assert (trade["exit_ts"] - T0).total_seconds() == 120 == trade["duration_s"]
    assert (trade["size"], trade["stake"], trade["candles_used"]) == (1, 100, 2)
    assert (trade["ath_multiple"], trade["time_to_2x_s"]) == (1.6, None)
    assert [(row["leg"], row["side"], row["raw_price"], row["reason"]) for row in tables.fills.to_pylist()] == [
        (0, "buy", 100, "entry"),
        (1, "sell", 150, "take_profit"),
    ]
    assert [(row["equity"], row["n_open"]) for row in tables.curves.to_pylist()] == [(10_000, 1), (10_050, 0)]
    metrics = {row["metric"]: row["value"] for row in tables.metrics.to_pylist() if row["scope"] == "all"}
    assert metrics["mean_return"] == 0.5
    assert "dsr" not in metrics
    assert "pbo" not in metrics
    assert set(tables.metrics["ci_low"].to_pylist()) == {None}
    assert tables.diagnostics.num_rows == 0


def test_every_alert_that_does_not_trade_has_a_row_and_a_reason() -> None:
    broken = candles_table((0, 100, 90, 95, 105))
    alerts = alerts_table(
        {"at_s": -1, "alert_id": "traded"},
        {"at_s": -1, "alert_id": "unknown-token", "mint": "MintB"},
        {"at_s": -1, "alert_id": "broken-candles", "mint": "MintC"},
        {"at_s": 9_000, "alert_id": "too-late"},
        {"at_s": -1, "alert_id": "edited", "edited_s": 500},
        {"at_s": 90_000, "alert_id": "next-day"},
    )
    tables = run(alerts, {MINT_A: RISING, Token("solana", "MintC"): broken}, config_of(TARGET, to="2025-05-01"))
    assert statuses(tables) == {
        "traded": ("closed", None),
        "unknown-token": ("no_entry", "no_candle_series"),
        "broken-candles": ("bad_data", "high_below_open_or_close"),
        "too-late": ("no_entry", "no_candle"),
        "edited": ("excluded", "edited_call"),
    }
    assert codes(tables) == [
        ("outside_range", None),
        ("high_below_open_or_close", "broken-candles"),
        ("edited_call", "edited"),
        ("no_candle_series", "unknown-token"),
        ("no_candle", "too-late"),
    ]
    assert json.loads(tables.diagnostics.to_pylist()[0]["context"]) == {"alerts": 1}
    assert {row["level"] for row in tables.diagnostics.to_pylist()} == {"info", "warning", "error"}


def test_no_alerts_at_all_give_empty_tables_and_a_warning() -> None:
    tables = run(alerts_table(), {})
    assert tables.trades.num_rows == tables.fills.num_rows == tables.curves.num_rows == 0
    assert codes(tables) == [("no_trades", None)]


def test_the_range_includes_its_first_instant_and_its_last_day_and_excludes_an_end_time() -> None:
    alerts = alerts_table(*({"at_s": at_s, "alert_id": str(at_s)} for at_s in (-1, 0, 86_399, 86_400)))

    def kept(**bounds: str) -> list[str]:
        return run(alerts, {}, config_of(**bounds)).trades["alert_id"].to_pylist()

    assert kept(from_="2025-05-01", to="2025-05-01") == ["0", "86399"]
    assert kept(from_="2025-05-01T00:00:01Z") == ["86399", "86400"]
    assert kept(to="2025-05-02T00:00:00Z") == ["-1", "0", "86399"]
    assert kept(to="2025-05-01T02:00:00+02:00") == ["-1"]


def test_the_coverage_ends_with_the_span_that_holds_the_entry() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    covered = candles_table((0, *flat), (1, *flat), spans_min=[(-10, 90), (200, 300)])
    cut = candles_table((0, *flat), (1, *flat), (5, *flat), spans_min=[(-10, 3)])
    unknown = candles_table((0, *flat), (1, *flat), spans_min=[(200, 300)])
    reasons = {
        name: run(alerts_table({"at_s": -1}), {MINT_A: table}).trades.to_pylist()[0]
        for name, table in (("covered", covered), ("cut", cut), ("unknown", unknown))
    }
    # silence from minute 2 to the deadline at minute 60 is inside the span: a dead token, 58 minutes stale
    assert (reasons["covered"]["exit_reason"], reasons["covered"]["stale_exit_s"]) == ("time_exit", 58 * 60)
    # the span ends in minute 3: minute 5 is not known to be whole, the data end with minute 1
    assert (reasons["cut"]["exit_reason"], reasons["cut"]["duration_s"]) == ("end_of_data", 120)
    assert (reasons["unknown"]["exit_reason"], reasons["unknown"]["is_censored"]) == ("end_of_data", True)


def test_warnings_count_censored_stale_and_ambiguous_trades() -> None:
    both = candles_table((0, 100, 160, 75, 100))
    dead = candles_table((0, 100, 101, 99, 100), spans_min=[(0, 500)])
    alerts = alerts_table({"mint": "MintA"}, {"mint": "MintB"}, {"mint": "MintC"})
    candles = {MINT_A: both, Token("solana", "MintB"): dead, Token("solana", "MintC"): candles_table((0, 1, 1, 1, 1))}
    tables = run(alerts, candles, config_of(TARGET | {"max_hold_min": 120}, stress={"dead_token": "zero"}))
    assert [code for code, _ in codes(tables)] == [
        "ambiguous_trades", "censored_trades", "stale_exits", "stress_dead_token",
    ]  # fmt: skip
    returns = dict(zip(tables.trades["alert_id"].to_pylist(), tables.trades["net_return"].to_pylist(), strict=True))
    assert returns == {"alert-0": pytest.approx(-0.2), "alert-1": 0, "alert-2": -1}


def test_trades_beyond_the_purse_stay_in_the_trades_and_are_reported() -> None:
    alerts = alerts_table({"alert_id": "a"}, {"alert_id": "b"})
    tables = run(alerts, {MINT_A: RISING}, config_of(TARGET, portfolio={"one_per_token": True}))
    assert statuses(tables) == {"a": ("closed", None), "b": ("closed", None)}
    assert codes(tables) == [("portfolio_rejections", None), ("rejected_token_held", "b")]
    assert tables.curves.to_pylist()[-1]["equity"] == 10_050


def test_edited_calls_can_be_accepted_or_traded_from_their_edit() -> None:
    alerts = alerts_table({"at_s": -1, "edited_s": 61}, {"at_s": -1, "edited_s": 61, "token_proven_at_call": True})

    def entries(edited: str) -> list[Any]:
        trades = run(alerts, {MINT_A: RISING}, config_of(TARGET, selection={"edited": edited})).trades.to_pylist()
        return [trade["entry_raw_price"] for trade in trades]

    assert entries("proven") == [None, 100]
    assert entries("accept") == [100, 100]
    assert entries("lag") == [150, 100]  # minute 2 is the first to open after the edit


def test_an_edit_after_the_candles_has_a_reason_of_its_own() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    # Asked for from minute 0 to 100, silent from minute 2 on; an entry may come up to 15 minutes after the edit.
    asked = candles_table((0, *flat), (1, *flat), spans_min=[(0, 100), (500, 600)])
    unknown = candles_table((0, *flat), (1, *flat))

    def reason(edited_min: float, table: pa.Table, edited: str = "lag") -> str:
        config = config_of({"max_entry_wait_s": 900}, selection={"edited": edited})
        tables = run(alerts_table({"edited_s": edited_min * 60}), {MINT_A: table}, config)
        (trade,) = tables.trades.to_pylist()
        assert trade["reason"] is None or (trade["reason"], "alert-0") in codes(tables)
        return str(trade["reason"])

    assert reason(0.5, asked) == "None"
    assert reason(84, asked) == "no_candle"  # all of the wait was asked for: the token was silent
    assert reason(85, asked) == "edit_beyond_candles"  # a candle of minute 100 nobody asked for
    assert reason(300, asked) == "edit_beyond_candles"
    assert reason(550, asked) == "no_candle"
    assert reason(590, asked) == "edit_beyond_candles"
    assert reason(2, unknown) == "edit_beyond_candles"
    assert reason(300, asked, "accept") == "None"
    late = run(alerts_table({"at_s": 300 * 60}), {MINT_A: asked}, config_of(selection={"edited": "lag"}))
    assert statuses(late) == {"alert-0": ("no_entry", "no_candle")}  # no edit: sent when no candle was


def test_callers_and_chains_select_alerts() -> None:
    alerts = alerts_table(
        {"alert_id": "a"},
        {"alert_id": "b", "caller_name_norm": "bob"},
        {"alert_id": "c", "chain": "base", "mint": "0xAB"},
    )
    tables = run(alerts, {MINT_A: RISING}, config_of(TARGET, selection={"callers": [" ANN "], "chains": ["solana"]}))
    assert statuses(tables) == {
        "a": ("closed", None),
        "b": ("excluded", "caller_not_selected"),
        "c": ("excluded", "chain_not_selected"),
    }


def test_evm_tokens_are_found_whatever_the_case_of_their_address() -> None:
    alerts = alerts_table({"chain": "base", "mint": "0xABCD"})
    assert statuses(run(alerts, {Token("base", "0xabcd"): RISING})) == {"alert-0": ("closed", None)}


def random_world(seed: int) -> tuple[list[dict[str, Any]], dict[Token, pa.Table]]:
    rng = random.Random(seed)
    alerts = [
        {
            "at_s": rng.randrange(0, 7_000), "alert_id": f"a{number:02d}", "mint": rng.choice("ABCD"),
            "caller_name_norm": rng.choice((None, "ann", "bob")),
        }
        for number in range(40)
    ]  # fmt: skip
    candles = {}
    for mint in "ABC":
        price, rows = 1.0, []
        for minute in range(240):
            open_, price = price, price * rng.lognormvariate(0, 0.05)
            rows.append((minute, open_, max(open_, price) * 1.02, min(open_, price) * 0.98, price))
        candles[Token("solana", mint)] = candles_table(*rows)
    return alerts, candles


def test_two_runs_and_any_order_of_alerts_and_tokens_give_the_same_tables() -> None:
    alerts, candles = random_world(7)
    config = config_of(TARGET | {"fee": 0.01, "trailing_stop": 0.15}, portfolio={"starting_capital": 400})
    first = run(alerts_table(*alerts), candles, config)
    table = alerts_table(*alerts)
    shuffled = table.take(pa.array(random.Random(1).sample(range(40), 40)))
    second = run(shuffled, dict(reversed(candles.items())), config)
    assert first.curves.num_rows > 10
    assert {code for code, _ in codes(first)} >= {"rejected_capital", "no_candle_series"}
    for name in SPECS:
        assert getattr(first, name).equals(getattr(second, name)), name


def test_alert_times_keep_their_microseconds() -> None:
    trade = run(alerts_table({"at_s": -0.000001}), {MINT_A: RISING}).trades.to_pylist()[0]
    assert trade["alert_ts"].microsecond == 999_999
    assert trade["entry_ts"] == T0
    assert run(alerts_table({"at_s": 0.000001}), {MINT_A: RISING}).trades.to_pylist()[0]["entry_raw_price"] == 105


def test_inputs_that_cannot_be_used_are_refused() -> None:
    twice = alerts_table({"alert_id": "same"}, {"alert_id": "same"})
    with pytest.raises(InvalidInputError, match="alert same occurs twice"):
        run(twice, {})
    with pytest.raises(
        InvalidInputError, match="candles of solana:MintA: the table's metadata do not say its resolution"
    ):
        run(alerts_table({}), {MINT_A: candles_table((0, 1, 1, 1, 1), resolution=None)})
    with pytest.raises(InvalidInputError, match="unknown candle resolution '2m'"):
        run(alerts_table({}), {MINT_A: candles_table((0, 1, 1, 1, 1), resolution="2m")})
    with pytest.raises(StrategyError, match="unknown key 'stop'"):
        run(alerts_table(), {}, config_of({"stop": 1}))
