"""The ``statistics`` block from an experiment's parameters to its metrics table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.artifact_types import EXPERIMENT_METRICS
from quantlab_core.experiments.experiment_tables import ExperimentTables, run_experiment
from quantlab_core.token import Token
from quantlab_tests.core.experiments.drawn_experiments import alerts_table, candles_table, config_of

DAY_S = 86_400
N_DAYS = 24
CLOSES = (150, 80, 110, 60)


def run(**params: Any) -> ExperimentTables:
    """One call of a token of its own on each of 24 days; bought at 100, sold an hour later at the last close."""
    alerts = [{"at_s": day * DAY_S - 1 + 60, "mint": f"Mint{day:02d}"} for day in range(N_DAYS)]
    candles: dict[Token, pa.Table] = {}
    for day in range(N_DAYS):
        minute, close = day * 1_440 + 1, CLOSES[day % len(CLOSES)]
        candles[Token("solana", f"Mint{day:02d}")] = candles_table(
            (minute, 100, max(100, close), min(100, close), close), spans_min=[(minute, minute + 200)]
        )
    return run_experiment(
        experiment_id="exp", config=config_of(**params), alerts=alerts_table(*alerts), candles=candles
    )


def rows(tables: ExperimentTables, scope: str, key: str) -> dict[str, dict[str, Any]]:
    return {
        row["metric"]: row for row in tables.metrics.to_pylist() if (row["scope"], row["scope_key"]) == (scope, key)
    }


def test_bounds_folds_and_evidence_are_in_the_table_in_its_order() -> None:
    tables = run(statistics={"split": {"kind": "train_test", "train_share": 0.75}}, seed=3)
    assert tables.metrics.schema.equals(EXPERIMENT_METRICS.schema)
    in_order = tables.metrics.sort_by([(name, "ascending") for name in EXPERIMENT_METRICS.sort_key])
    assert tables.metrics.equals(in_order)
    mean = rows(tables, "all", "all")["mean_return"]
    assert mean["value"] == pytest.approx((0.5 - 0.2 + 0.1 - 0.4) / 4)
    assert mean["ci_low"] < mean["value"] < mean["ci_high"]
    # the call of day 17 ends 3,660 s after it at the latest: long before the test begins on day 18
    assert rows(tables, "fold", "train")["n_alerts"]["value"] == 18
    assert rows(tables, "fold", "test")["n_alerts"]["value"] == 6
    assert rows(tables, "fold", "test")["mean_return"]["ci_low"] is None, "six tokens are too few"
    assert 0 < rows(tables, "all", "all")["psr"]["value"] < 1


def test_the_other_tables_and_all_values_are_those_of_the_experiment_without() -> None:
    plain, asked = run(), run(statistics={})
    for name in ("trades", "fills", "curves", "diagnostics"):
        assert getattr(plain, name).equals(getattr(asked, name)), name
    values = {(r["scope"], r["scope_key"], r["metric"]): r["value"] for r in asked.metrics.to_pylist()}
    for row in plain.metrics.to_pylist():
        assert values[row["scope"], row["scope_key"], row["metric"]] == row["value"]
        assert row["ci_low"] is None


def test_the_seed_of_the_experiment_is_that_of_the_bounds() -> None:
    first, again, other = (run(statistics={}, seed=seed).metrics for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_a_split_that_the_days_do_not_suffice_for_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="30 folds need at least as many days, the alerts lie on 24"):
        run(statistics={"split": {"kind": "folds", "folds": 30}})
