"""What lies downstream of alerts and candle files, for the days that changed: slices, series, sets, coverage, …"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from quantlab_assets.frozen_sets import alerts_of
from quantlab_assets.partitions import TOKENS
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.candles.artifact_types import IMPORTED_CANDLES, OHLCV_SLICE, TOKEN_CANDLES
from quantlab_core.token import Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.dagster_io.artifact_partition import partition_of


def refresh_research(runs: LakeRuns, days: Iterable[date]) -> None:
    """Fetch slices for the alerts of ``days`` and bring series, sets, coverage and projection up to date.

    Does nothing where there are no alerts or no candles yet: there is nothing to measure then.
    """
    store = runs.lab.artifacts
    alert_keys = (key_parts_of(head) for head in store.heads(ALERTS.name))
    alert_days = {parts["day"] for parts in alert_keys if parts is not None}
    touched = {day for day in days if day.isoformat() in alert_days}
    if touched and store.heads(IMPORTED_CANDLES.name):
        runs.materialize_days("Cutting candle slices", ["ohlcv_slices"], touched)
    tokens = _tokens_to_merge(store, {day.isoformat() for day in touched})
    if tokens:
        runs.materialize_keys("Merging token candles", ["token_candles"], TOKENS, tokens)
        runs.materialize("Freezing the candle set", ["candle_set"])
    if alert_days and store.heads(TOKEN_CANDLES.name):
        runs.materialize("Measuring coverage", ["alert_forward_coverage"])
        runs.materialize("Building the DuckDB projection", ["research_projection"])


def _tokens_to_merge(store: ParquetArtifactStore, days: set[str]) -> set[str]:
    """Tokens with slices of these days, and tokens called on them whose slices, of other windows, nobody merged yet."""
    of_days: set[str] = set()
    of_none: set[str] = set()
    for head in store.heads(OHLCV_SLICE.name):
        parts = key_parts_of(head)
        if parts is not None:
            day = partition_of(OHLCV_SLICE, head.logical_key)
            token = Token.from_key_parts(parts).partition_key
            if day is None:
                of_none.add(token)
            elif day in days:
                of_days.add(token)
    unmerged = of_none - of_days
    if unmerged:
        series = (key_parts_of(head) for head in store.heads(TOKEN_CANDLES.name))
        unmerged -= {Token.from_key_parts(parts).partition_key for parts in series if parts is not None}
    return of_days | (unmerged & _called_tokens(store, days) if unmerged else set())


def _called_tokens(store: ParquetArtifactStore, days: set[str]) -> set[str]:
    heads = [head for day in sorted(days) for head in store.heads(ALERTS.name, f"day={day}/") if key_parts_of(head)]
    alerts = alerts_of(lambda head: read_newest(store, head), heads).select(["chain", "mint"])
    return {Token(row["chain"], row["mint"]).partition_key for row in alerts.to_pylist()}
