"""Assets of the group ``coverage``: how well the time after each alert is covered by candles."""

from __future__ import annotations

from collections.abc import Iterator

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.frozen_sets import SeriesByToken, alerts_of, current_set
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE
from quantlab_core.coverage.forward_coverage import forward_coverage
from quantlab_resources.dagster_io.artifact_draft import ArtifactDraft


@artifact_asset(
    name="alert_forward_coverage",
    specs=[ALERT_FORWARD_COVERAGE],
    group="coverage",
    code_version="1",
    inputs={"alert_set": Upstream("alert_set"), "candle_set": Upstream("candle_set")},
)
def alert_forward_coverage(step: Step) -> Iterator[ArtifactDraft]:
    """Measured on the frozen sets of alerts and candles, as of when they were frozen."""
    alert_set, candle_set = current_set(step["alert_set"]), current_set(step["candle_set"])
    table = forward_coverage(
        alerts_of(step["alert_set"].read_member, step["alert_set"].members(alert_set)),
        SeriesByToken(step["candle_set"].read_member, step["candle_set"].members(candle_set)),
        # Frozen data end when they were frozen, so that the same sets give the same table at any time.
        as_of=max(parse_timestamp(frozen.created_at) for frozen in (alert_set, candle_set)),
    )
    inputs = [alert_set.artifact_id, candle_set.artifact_id]
    yield ArtifactDraft(ALERT_FORWARD_COVERAGE, {"selection": CURRENT}, table, inputs)


COVERAGE_ASSETS = (alert_forward_coverage,)
