"""What lies downstream of alerts and candle files, for the days that changed: slices, series, sets, coverage, …"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from quantlab_assets.coverage import COVERAGE_NAMES
from quantlab_assets.partitions import TOKENS
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of, read_newest
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.candles.artifact_types import OHLCV_SLICE, SLICE_REVISIONS, TOKEN_CANDLES
from quantlab_core.candles.slice_revision import RevisionCounts, revision_counts
from quantlab_core.token import Token
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.dagster_io.artifact_partition import partition_of

SLICE_ASSETS = ("ohlcv_slices", "slice_quarantine", "slice_revisions")


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What became of slices that were there before: how many have other candles now, and which candles."""

    revised_slices: int = 0
    candles: RevisionCounts = field(default_factory=RevisionCounts)


def refresh_research(runs: LakeRuns, days: Iterable[date]) -> RefreshReport:
    """Fetch slices for the alerts of ``days`` and bring series, sets, coverage and projection up to date.

    Does nothing where there are no alerts or no candles yet: there is nothing to measure then. What cannot be used is
    left out and named in ``runs.refusals``. Raises CandleSourceError when the source does not answer in full.
    """
    store = runs.lab.artifacts
    alert_keys = (key_parts_of(head) for head in store.heads(ALERTS.name))
    alert_days = {parts["day"] for parts in alert_keys if parts is not None}
    touched = {day for day in days if day.isoformat() in alert_days}
    known = {head.artifact_id for head in store.heads(SLICE_REVISIONS.name)}
    if touched and runs.lab.candle_source.holds_any():
        # Idle days are cheap to take along, but days with calls are not asked for again unless they are meant.
        runs.materialize_days("Cutting candle slices", SLICE_ASSETS, touched, never=_days(alert_days))
    refresh_series(runs, _tokens_to_merge(store, {day.isoformat() for day in touched}))
    return _report(store, known)


def _days(keys: Iterable[str]) -> set[date]:
    """The days that parts of keys name; a key of the earlier store may name none."""
    found = set()
    for key in keys:
        with suppress(ValueError):
            found.add(date.fromisoformat(key))
    return found


def refresh_series(runs: LakeRuns, tokens: set[str]) -> None:
    """Merge the slices of ``tokens`` (keys of their partitions), and bring up to date what rests on all series."""
    store = runs.lab.artifacts
    if tokens:
        runs.materialize_keys("Merging token candles", ["token_candles"], TOKENS, tokens)
    has_series = bool(store.heads(TOKEN_CANDLES.name))
    if tokens and has_series:
        runs.materialize("Freezing the candle set", ["candle_set"])
    if has_series and store.heads(ALERTS.name):
        runs.materialize("Measuring coverage", COVERAGE_NAMES)
        runs.materialize("Building the DuckDB projection", ["research_projection"])


def _report(store: ParquetArtifactStore, known: set[str]) -> RefreshReport:
    """The revisions that are current and were not before."""
    new = [head for head in store.heads(SLICE_REVISIONS.name) if head.artifact_id not in known]
    counts = (revision_counts(read_newest(store, head)) for head in new)
    return RefreshReport(len(new), sum(counts, RevisionCounts()))


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
