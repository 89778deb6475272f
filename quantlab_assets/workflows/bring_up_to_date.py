"""Everything that the manifest calls stale or missing is made again, stage after stage, and nothing else.

    messages ─► alerts ─► alert set ─► slices ─► token candles ─► candle set ─► coverage, projection ─► leaderboard

Each stage asks the manifest anew, so that it sees what the stages before it changed. A stage that fails does not stop
the others: alerts come in although the candle source is down, and what depends on it follows with the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from quantlab_assets.adopted_calls import adopted_days
from quantlab_assets.coverage import COVERAGE_NAMES
from quantlab_assets.partitions import TOKENS
from quantlab_assets.workflows.ingest_alerts import ALERT_ASSETS
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import SLICE_ASSETS
from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.artifacts.any_version import key_parts_of
from quantlab_core.errors import QuantlabError
from quantlab_resources.freshness.lake_freshness import AssetFreshness, lake_freshness

NO_SOURCE = (
    "no candle source: `quantlab ohlcv import` brings candles in, and QUANTLAB_CANDLES names another source; "
    "slices are not asked for"
)
Freshness = dict[str, AssetFreshness]


@dataclass(slots=True)
class UpToDate:
    """What was made, by asset how many partitions (1 of an asset without any), and what could not be made."""

    made: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


Stage = tuple[str, Sequence[str], Callable[[LakeRuns, Freshness, UpToDate], None]]
"""Its name, the assets that are judged for it, and what it does."""


def bring_up_to_date(runs: LakeRuns) -> UpToDate:
    """Run every stage that is behind, once. Raises LakeNotFoundError; what a stage raises is in the report."""
    report = UpToDate()
    for name, assets, stage in _STAGES:
        found = lake_freshness(runs.lab, assets)
        try:
            stage(runs, found, report)
        except QuantlabError as error:
            report.failed[name] = str(error)
    return report


def _alerts(runs: LakeRuns, found: Freshness, report: UpToDate) -> None:
    days = _days(found["alert_events"].partitions, found["alerts"].partitions)
    if days:
        runs.materialize_days("Finding alerts", ALERT_ASSETS, days, never=adopted_days(runs.lab.artifacts))
        report.made["alerts"] = len(days)


def _slices(runs: LakeRuns, found: Freshness, report: UpToDate) -> None:
    days = _days(found["ohlcv_slices"].partitions)
    if not days:
        return
    if not runs.lab.candle_source.holds_any():
        report.notes.append(NO_SOURCE)
        return
    # Idle days are cheap to take along, but days with calls are not asked for again unless they are meant.
    keys = (key_parts_of(head) for head in runs.lab.artifacts.heads(ALERTS.name))
    called = _days([parts["day"] for parts in keys if parts is not None])
    runs.materialize_days("Cutting candle slices", SLICE_ASSETS, days, never=called)
    report.made["ohlcv_slices"] = len(days)


def _series(runs: LakeRuns, found: Freshness, report: UpToDate) -> None:
    tokens = found["token_candles"].partitions
    if tokens:
        runs.materialize_keys("Merging token candles", ["token_candles"], TOKENS, tokens)
        report.made["token_candles"] = len(tokens)


def _whole(title: str, asset: str) -> Stage:
    """The stage of an asset without partitions."""

    def stage(runs: LakeRuns, found: Freshness, report: UpToDate) -> None:
        if found[asset].outdated:
            runs.materialize(title, [asset])
            report.made[asset] = 1

    return asset, [asset], stage


def _coverage(runs: LakeRuns, found: Freshness, report: UpToDate) -> None:
    """The three tables are measured together."""
    if any(found[asset].outdated for asset in COVERAGE_NAMES):
        runs.materialize("Measuring coverage", COVERAGE_NAMES)
        report.made |= dict.fromkeys(COVERAGE_NAMES, 1)


_STAGES: Sequence[Stage] = (
    ("alerts", ALERT_ASSETS, _alerts),
    _whole("Freezing the alert set", "alert_set"),
    _whole("Counting calls", "token_calls"),
    ("ohlcv_slices", ["ohlcv_slices"], _slices),
    ("token_candles", ["token_candles"], _series),
    _whole("Freezing the candle set", "candle_set"),
    ("coverage", COVERAGE_NAMES, _coverage),
    _whole("Building the DuckDB projection", "research_projection"),
    _whole("Ranking experiments", "experiment_leaderboard"),
)
"""In the order of the graph."""


def _days(*keys: Iterable[str]) -> set[date]:
    """The days that keys name; a key of the earlier store may name none."""
    found = set()
    for key in (key for some in keys for key in some):
        with suppress(ValueError):
            found.add(date.fromisoformat(key))
    return found
