"""Assets of the group ``coverage``: how well the time after each alert is covered by candles, and where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import pyarrow as pa

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.checks.coverage_checks import COVERAGE_CHECKS
from quantlab_assets.frozen_sets import SeriesByToken, current_set
from quantlab_assets.picture_preview import picture_preview
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.artifact_types import OHLCV_SLICE, SLICE_QUARANTINE
from quantlab_core.coverage.alert_windows import needed_until
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY
from quantlab_core.coverage.measured_coverage import measure_coverage
from quantlab_resources.coverage.configured_thresholds import configured_thresholds
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft

MEASURED = (ALERT_FORWARD_COVERAGE, COVERAGE_GAPS, COVERAGE_SUMMARY)
COVERAGE_NAMES = tuple(str(spec.asset) for spec in MEASURED)


@artifact_asset(
    name="coverage",
    specs=MEASURED,
    group="coverage",
    code_version="3",
    inputs={"alert_set": Upstream("alert_set"), "candle_set": Upstream("candle_set")},
    checks=COVERAGE_CHECKS,
    config_schema={
        "good": dg.Field(
            float,
            is_required=False,
            description="least span ratio of the verdict good; default QUANTLAB_COVERAGE_GOOD, else 0.95",
        ),
        "partial": dg.Field(
            float,
            is_required=False,
            description="least span ratio of the verdict partial; default QUANTLAB_COVERAGE_PARTIAL, else 0.80",
        ),
    },
)
def coverage(step: Step) -> Iterator[ArtifactDraft]:
    """Measured on the frozen sets of alerts and candles, as of when candles were last asked for; all three together."""
    alert_set, candle_set = current_set(step["alert_set"]), current_set(step["candle_set"])
    thresholds = configured_thresholds(step.config.get("good"), step.config.get("partial"))
    alerts = alerts_of(step["alert_set"].read_member, step["alert_set"].members(alert_set))
    measured = measure_coverage(
        alerts,
        SeriesByToken(step["candle_set"].read_member, step["candle_set"].members(candle_set)),
        as_of=_as_of(step, [alert_set, candle_set], needed_until(alerts)),
        thresholds=thresholds,
    )
    inputs = [alert_set.artifact_id, candle_set.artifact_id]
    judged_by = {"good": thresholds.good, "partial": thresholds.partial}
    for spec, table, preview in (
        (ALERT_FORWARD_COVERAGE, measured.forward, {}),
        (COVERAGE_GAPS, measured.gaps, _gaps_preview(measured.gaps)),
        (COVERAGE_SUMMARY, measured.summary, _summary_preview(measured.summary)),
    ):
        yield ArtifactDraft(spec, {"selection": CURRENT}, table, inputs, params=judged_by, preview=preview)


def _as_of(step: Step, sets: Sequence[Artifact], needed: datetime | None) -> datetime:
    """When the sets were frozen, or candles were asked for after that, were it in vain; never the time of the run.

    So the same manifest gives the same tables at any time, and a call that nobody has candles of does not stay pending.
    Asking later than the alerts' last window ends (``needed``) changes nothing, and must give no other tables.
    """
    frozen = max(parse_timestamp(one.created_at) for one in sets)
    asked = step.lab.run_view(step.context.run.run_id).last_publication(OHLCV_SLICE, SLICE_QUARANTINE)
    return frozen if asked is None or needed is None else max(frozen, min(parse_timestamp(asked), needed))


def _gaps_preview(gaps: pa.Table) -> dict[str, Any]:
    """How much is missing, as a number that the UI can plot over time."""
    missing = int(gaps["missing_minutes"].to_numpy().sum())
    return {"missing_minutes": dg.MetadataValue.int(missing)}


def _summary_preview(summary: pa.Table) -> dict[str, Any]:
    """The heat map as a picture; nothing when there was no alert."""
    # Matplotlib takes a second to import, and definitions must load without it.
    from quantlab_resources.reports.coverage_heatmap import coverage_heatmap_png

    return picture_preview("heat_map", "Share of alerts covered well", coverage_heatmap_png(summary))


COVERAGE_ASSETS = (coverage,)
