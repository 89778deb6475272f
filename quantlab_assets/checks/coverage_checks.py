"""Checks of coverage: is every alert measured once for each horizon, and do the alerts have candles after them?

The first holds before anything is published, or nothing is. The second warns: poor coverage is a fact, and to publish
it is the point.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_assets.artifact_asset import Step
from quantlab_assets.checks.blocking_checks import BlockingCheck, Finding
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_SUMMARY
from quantlab_core.coverage.thresholds import PENDING, VERDICTS, Thresholds
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft


def _every_alert_is_measured(_step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    """Alerts x horizons = rows = the sum of the days' verdicts."""
    forward, summary = _table(drafts, ALERT_FORWARD_COVERAGE), _table(drafts, COVERAGE_SUMMARY)
    alerts = pc.count_distinct(forward["alert_id"]).as_py()
    horizons = pc.count_distinct(forward["horizon_h"]).as_py()
    judged = sum(_sum(summary, verdict) for verdict in (*VERDICTS, PENDING))
    facts = {"alerts": alerts, "horizons": horizons, "rows": forward.num_rows, "rows_in_summary": judged}
    if alerts * horizons == forward.num_rows == judged == _sum(summary, "alerts"):
        return Finding(True, f"all {alerts:,} alerts are measured for {horizons} horizons and counted once", facts)
    return Finding(
        False,
        f"{alerts:,} alerts and {horizons} horizons give {forward.num_rows:,} rows, of which the days count {judged:,}:"
        " a defect of quantlab, please report it",
        facts,
    )


def _alerts_are_covered(_step: Step, drafts: Sequence[ArtifactDraft]) -> Finding:
    """The spanned share of all minutes after the calls, by horizon, against the setting `partial`."""
    forward = _table(drafts, ALERT_FORWARD_COVERAGE)
    thresholds = Thresholds.from_attributes(attributes_of(forward))
    over = forward.filter(pc.field("verdict") != PENDING)
    facts = {"pending": forward.num_rows - over.num_rows}
    poor: list[str] = []
    for horizon in sorted(set(over["horizon_h"].to_pylist())):
        rows = over.filter(pc.field("horizon_h") == horizon)
        share = _sum(rows, "spanned_minutes") / _sum(rows, "expected_minutes")
        facts[f"percent_spanned_{horizon}h"] = int(100 * share)
        if share < thresholds.partial:
            poor.append(f"{share:.1%} of the {horizon} h after {rows.num_rows:,} calls")
    if poor:
        told = f"a source was asked for {', '.join(poor)}; the setting partial wants {thresholds.partial:.0%}"
        return Finding(True, f"{told}; `quantlab ohlcv gaps` lists what to fetch", facts, is_warning=True)
    if not over.num_rows:
        return Finding(True, "no call's horizon is over yet", facts)
    return Finding(True, f"at every horizon a source was asked for {thresholds.partial:.0%} or more", facts)


def _table(drafts: Sequence[ArtifactDraft], spec: ArtifactType) -> pa.Table:
    return next(draft.table for draft in drafts if draft.spec == spec)


def _sum(table: pa.Table, column: str) -> int:
    return int(pc.sum(table[column]).as_py() or 0)


COVERAGE_CHECKS = (
    BlockingCheck(
        "every_alert_is_measured",
        "Alerts times horizons = rows = the sum of all verdicts of all days: no alert is lost or counted twice.",
        _every_alert_is_measured,
    ),
    BlockingCheck(
        "alerts_are_covered",
        "Warns when, at some horizon, candle sources were asked for a smaller share of the minutes after the calls "
        "than the setting partial of the coverage thresholds.",
        _alerts_are_covered,
    ),
)
