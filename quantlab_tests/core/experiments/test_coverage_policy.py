"""Poorly covered alerts are traded, left out and counted, or refused, as the experiment asks."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.epoch_time import epoch_microseconds
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment_tables import ExperimentTables, run_experiment
from quantlab_core.experiments.run_sweep import run_sweep
from quantlab_core.experiments.verification.experiment_audit import audit_experiment
from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import T0, Candle, alerts_table, candles_table, config_of

TABLES = ("trades", "fills", "curves", "metrics", "diagnostics")
FLAT = (100.0, 100.0, 100.0, 100.0)
HOLD_98 = {"max_hold_min": 98, "max_entry_wait_s": 120, "take_profit": [[0.5, 1.0]], "fee": 0.0, "slippage": 0.0}
"""Lives 2 + 98 = 100 minutes at the longest."""


def mint(name: str) -> Token:
    return Token("solana", name)


def run(
    alerts: pa.Table, candles: dict[Token, pa.Table], coverage: str | None, strategy: Any = None, **selection: Any
) -> ExperimentTables:
    chosen = selection | ({} if coverage is None else {"coverage": coverage})
    config = config_of(strategy or HOLD_98, selection=chosen)
    return run_experiment(experiment_id="x", config=config, alerts=alerts, candles=candles)


def reasons(tables: ExperimentTables) -> dict[Any, str | None]:
    return dict(zip(tables.trades["alert_id"].to_pylist(), tables.trades["reason"].to_pylist(), strict=True))


def left_out(tables: ExperimentTables) -> set[str]:
    return {alert_id for alert_id, reason in reasons(tables).items() if reason == "poorly_covered"}


def golden_world() -> tuple[pa.Table, dict[Token, pa.Table]]:
    """Calls at 23:59:59: the minutes 0 to 99 are expected, 80 of them must be spanned."""
    rising = (1, 100.0, 160.0, 99.0, 150.0)
    candles = {
        mint("Enough"): candles_table((0, *FLAT), rising, spans_min=[(0, 30), (30, 50), (70, 130)]),
        mint("OneShort"): candles_table((0, *FLAT), (1, *FLAT), spans_min=[(0, 79)]),
        mint("NoSpans"): candles_table((0, *FLAT), (79, *FLAT)),
        mint("NoSpansShort"): candles_table((0, *FLAT), (78, *FLAT)),
    }
    names = ("Enough", "OneShort", "NoSpans", "NoSpansShort", "NoSeries")
    return alerts_table(*({"alert_id": name, "mint": name} for name in names)), candles


def test_alerts_under_four_fifths_of_the_longest_life_are_left_out_and_the_result_is_shown_with_them_lost() -> None:
    tables = run(*golden_world(), "exclude")
    # 50 + 30 of 100 minutes and the 80 from the first candle to the last are enough, 79 are not, and no series is 0
    assert reasons(tables) == {
        "Enough": None, "NoSpans": None,
        "NoSeries": "poorly_covered", "NoSpansShort": "poorly_covered", "OneShort": "poorly_covered",
    }  # fmt: skip
    assert set(tables.trades.filter(pc.is_valid(tables.trades["reason"]))["status"].to_pylist()) == {"excluded"}
    rows = tables.diagnostics.to_pylist()
    assert [(row["level"], row["alert_id"]) for row in rows if row["code"] == "poorly_covered"] == [
        ("warning", "NoSeries"), ("warning", "NoSpansShort"), ("warning", "OneShort"),
    ]  # fmt: skip
    (said,) = [row for row in rows if row["code"] == "coverage_excluded"]
    assert (said["level"], said["alert_id"]) == ("warning", None)
    # +50 % and 0 % are +25 % on average; with three times -100 % it is (0.5 + 0 - 3) / 5 = -50 %
    assert json.loads(said["context"]) == {
        "count": 3, "trades": 2, "mean_return": 0.25, "mean_return_with_excluded_lost": -0.5,
    }  # fmt: skip
    assert "3 of 5 alerts" in said["message"]
    assert (
        "mean return of 2 trades is +25.00 %, with each of these alerts at -100 % the mean is -50.00 %"
        in (said["message"])
    )
    mean = tables.metrics.filter((pc.field("scope") == "all") & (pc.field("metric") == "mean_return"))
    assert mean["value"].to_pylist() == [0.25]


def test_when_every_alert_is_left_out_there_is_no_mean_but_the_lost_one() -> None:
    tables = run(alerts_table({}), {}, "exclude")
    (said,) = [row for row in tables.diagnostics.to_pylist() if row["code"] == "coverage_excluded"]
    assert "there is no trade, with each of these alerts at -100 % the mean is -100.00 %" in said["message"]
    assert json.loads(said["context"])["mean_return"] is None


def test_refuse_names_how_many_and_the_first_and_what_to_do() -> None:
    alerts, candles = golden_world()
    with pytest.raises(InvalidInputError) as refusal:
        run(alerts, candles, "refuse")
    message = str(refusal.value)
    assert "3 of 5 alerts are poorly covered, the first is NoSeries:" in message
    assert "less than 80% of the 100 minutes after the call" in message
    assert "or use coverage accept or exclude" in message
    assert "\n" not in message


def test_refuse_and_exclude_change_nothing_where_all_is_covered() -> None:
    alerts, candles = golden_world()
    covered = alerts.filter(pc.is_in(alerts["alert_id"], pa.array(["Enough", "NoSpans"])))
    accepted = run(covered, candles, "accept")
    for policy in ("exclude", "refuse"):
        found = run(covered, candles, policy)
        assert all(getattr(found, name).equals(getattr(accepted, name)) for name in TABLES), policy


def test_alerts_that_the_selection_leaves_out_anyhow_are_not_judged() -> None:
    alerts = alerts_table({"caller_name_norm": "bob"})
    tables = run(alerts, {}, "refuse", callers=["ann"])
    assert reasons(tables) == {"alert-0": "caller_not_selected"}


def test_a_call_that_is_traded_from_its_edit_is_judged_from_there() -> None:
    alerts = alerts_table({"edited_s": 3_600})
    candles = {mint("MintA"): candles_table((0, *FLAT), (61, *FLAT), spans_min=[(0, 120)])}
    assert left_out(run(alerts, candles, "exclude", edited="accept")) == set()
    assert left_out(run(alerts, candles, "exclude", edited="lag")) == {"alert-0"}  # minutes 61 to 119 of 100


def test_all_sets_of_a_sweep_trade_the_alerts_that_the_longest_life_has_covered() -> None:
    alerts = alerts_table({"mint": "Short"}, {"mint": "Long"})
    candles = {
        mint("Short"): candles_table((0, *FLAT), spans_min=[(0, 60)]),
        mint("Long"): candles_table((0, *FLAT), spans_min=[(0, 130)]),
    }
    short_life = {**HOLD_98, "max_hold_min": 20}

    def swept(coverage: str) -> ExperimentTables:
        sweep = {"grid": {"max_hold_min": [20, 98]}, "keep_trades": "all"}
        config = config_of(short_life, selection={"coverage": coverage}, sweep=sweep)
        return run_sweep(experiment_id="x", config=config, alerts=alerts, candles=candles)

    assert left_out(run(alerts, candles, "exclude", short_life)) == set()
    trades = swept("exclude").trades
    found = sorted(zip(trades["alert_id"].to_pylist(), trades["reason"].to_pylist(), strict=True))
    assert found == [("alert-0", "poorly_covered"), ("alert-0", "poorly_covered"), ("alert-1", None), ("alert-1", None)]
    assert "coverage_excluded" in swept("exclude").diagnostics["code"].to_pylist()
    assert set(swept("accept").trades["reason"].to_pylist()) == {None}
    with pytest.raises(InvalidInputError, match="1 of 2 alerts are poorly covered, the first is alert-0"):
        swept("refuse")


def test_an_audit_says_that_poorly_covered_alerts_are_left_out_in_hindsight() -> None:
    alerts, candles = golden_world()

    def sample(coverage: str) -> str:
        config = config_of(HOLD_98, selection={"coverage": coverage})
        tables = run_experiment(experiment_id="x", config=config, alerts=alerts, candles=candles)
        pack = CandlePack.from_tables(candles)
        audit = audit_experiment(config=config, alerts=alerts, candles=pack, trades=tables.trades)
        assert audit.n_failed == 0
        return audit.sample

    assert "; 3 poorly covered alerts are left out in hindsight" in sample("exclude")
    assert "poorly covered" not in sample("accept")


SPANS = st.lists(st.tuples(st.integers(-20, 90), st.integers(-20, 90)).map(sorted).map(tuple), max_size=3)
CALLS = st.lists(
    st.fixed_dictionaries({"at_s": st.integers(-300, 4_000), "mint": st.sampled_from("ABC")}), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(CALLS, st.tuples(SPANS, SPANS), st.integers(1, 30))
def test_accept_is_the_default_and_exclude_takes_out_what_counting_minutes_says(
    calls: list[dict[str, Any]], spans: tuple[list[Any], list[Any]], hold: int
) -> None:
    walk = np.exp(np.cumsum(np.random.default_rng(hold).normal(0, 0.1, 60))).tolist()
    rows: list[Candle] = [(minute, price, price * 1.1, price * 0.9, price) for minute, price in enumerate(walk)]
    candles = {mint(name): candles_table(*rows, spans_min=own) for name, own in zip("AB", spans, strict=True)}
    alerts = alerts_table(*calls)
    strategy = {"max_hold_min": hold, "max_entry_wait_s": 60, "stop_loss": 0.1}
    default, accepted = run(alerts, candles, None, strategy), run(alerts, candles, "accept", strategy)
    assert all(getattr(accepted, name).equals(getattr(default, name)) for name in TABLES)
    assert not left_out(accepted)
    poor = set()
    for row in alerts.to_pylist():
        own = {"A": spans[0] or [(0, 60)], "B": spans[1] or [(0, 60)]}.get(row["mint"], [])
        after = (epoch_microseconds(row["alert_ts_utc"]) - epoch_microseconds(T0)) // 60_000_000 + 1
        minutes = [any(start <= after + k < end for start, end in own) for k in range(hold + 1)]
        if 5 * sum(minutes) < 4 * len(minutes):
            poor.add(row["alert_id"])
    excluded = run(alerts, candles, "exclude", strategy)
    assert left_out(excluded) == poor
    kept = pc.invert(pc.is_in(accepted.trades["alert_id"], pa.array(sorted(poor), pa.string())))
    assert excluded.trades.filter(kept).equals(accepted.trades.filter(kept))
    assert ("coverage_excluded" in excluded.diagnostics["code"].to_pylist()) == bool(poor)
