"""An experiment in columns is the experiment as a plain loop: the same tables, hash by hash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.content_hash import content_hash
from quantlab_core.experiments.artifact_types import EXPERIMENT_CURVES, EXPERIMENT_FILLS, EXPERIMENT_TRADES
from quantlab_core.experiments.experiment_tables import run_experiment
from quantlab_core.simulation.candle_pack import CandlePack
from quantlab_core.simulation.compiled.purse import ColumnPurse
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import alerts_table, candles_table, config_of
from quantlab_tests.core.experiments.plain_experiment import run_plainly

COMPARED = {"trades": EXPERIMENT_TRADES, "fills": EXPERIMENT_FILLS, "curves": EXPERIMENT_CURVES}
STRATEGIES: tuple[dict[str, Any], ...] = (
    {"max_hold_min": 30, "stop_loss": 0.1, "take_profit": [[0.1, 0.5], [0.3, 0.25]], "fee": 0.01, "slippage": 0.005},
    {"max_hold_min": 60, "trailing_stop": 0.2, "trailing_activation": 0.1, "stake": 33.3, "intrabar": "ohlc_path"},
    {"max_hold_min": 20, "entry_mode": "limit_dip", "limit_pct": 0.05, "limit_ttl_min": 9, "stop_steps": [[0.1, 0.0]]},
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[pa.Table, dict[Token, pa.Table]]:
    """Alerts of every fate, and candles with gaps and now and then a broken row."""
    alerts = []
    for number in range(draw(st.integers(0, 12))):
        chain, mint = draw(st.sampled_from((("solana", "A"), ("solana", "B"), ("base", "0xAb"), ("base", "0xC"))))
        alerts.append(
            {
                "at_s": draw(st.integers(-60_000, 6_000_000)) / 1_000,
                "alert_id": f"{draw(st.sampled_from('xéz'))}{number}",
                "chain": chain,
                "mint": mint,
                "caller_name_norm": draw(st.sampled_from((None, "ann", "bob"))),
                "edited_s": draw(st.sampled_from((None, None, 600))),
            }
        )
    candles = {}
    for token in (Token("solana", "A"), Token("base", "0xab")):
        chance = np.random.default_rng(draw(st.integers(0, 2**32)))
        minutes = np.flatnonzero(chance.random(140) < draw(st.sampled_from((0.5, 0.97))))
        closes = np.exp(np.cumsum(chance.normal(0, 0.05, len(minutes))))
        opens = np.concatenate(([1.0], closes[:-1]))[: len(minutes)]
        highs, lows = np.maximum(opens, closes) * 1.02, np.minimum(opens, closes) * 0.98
        if draw(st.integers(0, 4)) == 0 and len(minutes):
            lows[draw(st.integers(0, len(minutes) - 1))] = 0.0
        spans = draw(st.sampled_from(((), ((-60, 200),), ((-60, 45), (45, 90)))))
        rows = zip(minutes.tolist(), opens.tolist(), highs.tolist(), lows.tolist(), closes.tolist(), strict=True)
        candles[token] = candles_table(*rows, spans_min=spans)
    return alerts_table(*alerts), candles


def params() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "portfolio": st.sampled_from(
                (
                    {},
                    {"starting_capital": 100.0, "max_open": 2},
                    {"sizing": "fraction_of_equity", "stake": 0.3, "one_per_token": True},
                )
            ),
            "selection": st.sampled_from(
                ({}, {"edited": "lag"}, {"edited": "accept", "callers": ["ann"]}, {"chains": ["base"]})
            ),
            "stress": st.sampled_from(({}, {"dead_token": "zero"})),
        }
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(worlds(), st.sampled_from(STRATEGIES), params())
def test_every_table_is_that_of_the_plain_loop(
    world: tuple[pa.Table, dict[Token, pa.Table]], strategy: dict[str, Any], blocks: dict[str, Any]
) -> None:
    alerts, candles = world
    config = config_of(strategy, from_="2025-05-01T00:00:30Z", **blocks)
    found = run_experiment(experiment_id="exp", config=config, alerts=alerts, candles=candles)
    wanted = run_plainly("exp", config, alerts, candles)
    for name, spec in COMPARED.items():
        left, right = getattr(found, name), getattr(wanted, name)
        assert left.equals(right), name
        assert content_hash(left, spec) == content_hash(right, spec), name
    rejected = [one.outcome.alert_id for one in wanted.portfolio.rejections]
    assert [alert_id for alert_id in found.diagnostics["alert_id"].to_pylist() if alert_id is not None] == [
        *(one.alert_id for one in wanted.outcomes if one.reason is not None),
        *rejected,
    ]


def test_a_pack_gives_what_its_tables_give() -> None:
    candles = {Token("solana", "MintA"): candles_table((0, 100, 110, 95, 105), (1, 105, 160, 104, 150))}
    arguments: dict[str, Any] = {
        "experiment_id": "exp",
        "config": config_of(),
        "alerts": alerts_table({}, {"at_s": 30}),
    }
    one = run_experiment(candles=candles, **arguments)
    other = run_experiment(candles=CandlePack.from_tables(candles), **arguments)
    assert one.trades.num_rows == 2
    for name in ("trades", "fills", "curves", "metrics", "diagnostics"):
        assert getattr(one, name).equals(getattr(other, name)), name


def test_both_ways_to_run_the_portfolio_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    candles = {Token("solana", "MintA"): candles_table(*((minute, 1, 1.3, 0.8, 1.1) for minute in range(90)))}
    alerts = alerts_table(*({"at_s": 60 * number, "caller_name_norm": "ab"[number % 2]} for number in range(40)))
    config = config_of({"take_profit": [[0.2, 0.5]], "fee": 0.01}, portfolio={"starting_capital": 3.0})
    compiled = run_experiment(experiment_id="exp", config=config, alerts=alerts, candles=candles)
    monkeypatch.setattr(ColumnPurse, "can_run", lambda *_: False)
    plain = run_experiment(experiment_id="exp", config=config, alerts=alerts, candles=candles)
    assert compiled.diagnostics.num_rows > 2
    for name in ("trades", "fills", "curves", "metrics", "diagnostics"):
        assert getattr(compiled, name).equals(getattr(plain, name)), name
