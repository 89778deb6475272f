"""What lies downstream of alerts and candle files, for the days that changed: slices, series, sets, coverage, …"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from quantlab_assets.partitions import TOKENS, day_of
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.logical_key import parse_key
from quantlab_core.candles.artifact_types import IMPORTED_CANDLES, OHLCV_SLICE
from quantlab_core.token import Token
from quantlab_resources.dagster_io.artifact_partition import partition_of


def refresh_research(runs: LakeRuns, days: Iterable[date]) -> None:
    """Fetch slices for the alerts of ``days`` and bring series, sets, coverage and projection up to date.

    Does nothing where there are no alerts or no candles yet: there is nothing to measure then.
    """
    store = runs.lab.artifacts
    alert_days = {day_of(parse_key(ALERTS, head.logical_key)["day"]) for head in store.heads(ALERTS.name)}
    touched = alert_days & set(days)
    if touched and store.heads(IMPORTED_CANDLES.name):
        runs.materialize_days("Cutting candle slices", ["ohlcv_slices"], touched)
    touched_keys = {day.isoformat() for day in touched}
    tokens = {
        Token.from_key_parts(parse_key(OHLCV_SLICE, head.logical_key)).partition_key
        for head in store.heads(OHLCV_SLICE.name)
        if partition_of(OHLCV_SLICE, head.logical_key) in touched_keys
    }
    if tokens:
        runs.materialize_keys("Merging token candles", ["token_candles"], TOKENS, tokens)
        runs.materialize("Freezing the candle set", ["candle_set"])
    if alert_days and store.heads(OHLCV_SLICE.name):
        runs.materialize("Measuring coverage", ["alert_forward_coverage"])
        runs.materialize("Building the DuckDB projection", ["research_projection"])
