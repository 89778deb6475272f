"""Declared column lineage against a lake: a column that is another one's copy holds no value that that one has not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantlab_assets.column_lineage import COLUMNS_MADE_FROM, columns_made_from
from quantlab_assets.workflows.create_experiment import create_experiment
from quantlab_assets.workflows.execute_experiment import execute_experiment
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_resources.dagster_io.asset_artifacts import asset_artifacts
from quantlab_tests.assets.small_research import hold_1h, small_research

COPIES = {
    ("alerts", "alert_ts_utc", "alert_events", "event_ts_utc"),
    ("alerts", "caller_name_norm", "alert_events", "caller_name_norm"),
    ("alert_events", "content_id", "telegram_messages", "content_id"),
    ("token_candles", "close", "ohlcv_slices", "close"),
    ("token_calls", "mint", "alerts", "mint"),
    ("alert_forward_coverage", "alert_id", "alerts", "alert_id"),
    ("coverage_gaps", "token_address", "alerts", "mint"),
    ("experiment_trades", "token", "alerts", "mint"),
    ("experiment_fills", "candle_ts", "token_candles", "ts"),
}
"""Some of those that are declared to come from one column: they are looked for among what is declared."""


def values(runs: LakeRuns, asset: str, column: str) -> set[Any]:
    store = runs.lab.artifacts
    tables = [store.read(head.artifact_id) for head in asset_artifacts(store, asset)]
    return {value for table in tables for value in table[column].to_pylist()}


def test_what_is_declared_to_be_a_copy_holds_no_other_values(tmp_path: Path) -> None:
    named_alike = {
        (asset, column, upstream, name)
        for asset in COLUMNS_MADE_FROM
        for column, pairs in columns_made_from(asset).items()
        if len(pairs) == 1
        for upstream, name in pairs
    }
    assert named_alike >= COPIES
    with small_research(tmp_path) as runs:
        execute_experiment(runs, create_experiment(runs, hold_1h()).definition.experiment_id)
        for asset, column, upstream, name in sorted(COPIES):
            held = values(runs, asset, column)
            assert held, (asset, column)
            assert held <= values(runs, upstream, name), (asset, column)
