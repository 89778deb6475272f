"""Assets of the group ``coverage``: how well the time after each alert is covered by candles."""

from __future__ import annotations

from collections.abc import Iterator

from quantlab_assets.artifact_asset import Step, Upstream, artifact_asset
from quantlab_assets.frozen_sets import CURRENT
from quantlab_assets.set_contents import alerts_of, candles_of
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
    """Measured on the frozen sets of alerts and candles, as of the time of the run."""
    alert_sets = step["alert_set"].with_key(of="alerts", selection=CURRENT)
    candle_sets = step["candle_set"].with_key(of="candles", selection=CURRENT)
    for alert_set, candle_set in zip(alert_sets, candle_sets, strict=True):
        alerts = alerts_of(step["alert_set"].read_member, step["alert_set"].members(alert_set))
        candles = candles_of(step["candle_set"].read_member, step["candle_set"].members(candle_set))
        table = forward_coverage(alerts, candles, as_of=step.lab.clock.now())
        yield ArtifactDraft(
            ALERT_FORWARD_COVERAGE,
            {"selection": CURRENT},
            table,
            inputs=[alert_set.artifact_id, candle_set.artifact_id],
        )


COVERAGE_ASSETS = (alert_forward_coverage,)
