"""The sensor that keeps the checks `is_current` true: it judges them when the lake changed, and starts no run."""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from quantlab_assets.checks.is_current import freshness_checks, verdict_of
from quantlab_core.errors import LakeNotFoundError
from quantlab_resources.artifacts.upkeep.last_verification import verified_at
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.freshness.lake_freshness import lake_freshness
from quantlab_resources.lab import Lab

SECONDS_BETWEEN_LOOKS = 60

check_freshness = dg.define_asset_job(
    "check_freshness",
    selection=dg.AssetSelection.checks(freshness_checks),
    executor_def=dg.in_process_executor,
    description="Judges by the manifest which assets are made from everything that is current.",
)


@dg.sensor(
    name="freshness",
    job_name="check_freshness",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Judges the checks is_current when the lake changed, without a run, and reports those that changed.",
)
def freshness(context: dg.SensorEvaluationContext, lab: LabResource) -> dg.SensorResult:
    """One look: nothing is judged while neither the manifest nor what is known of damage changed."""
    known = json.loads(context.cursor or "{}")
    try:
        events, cursor = judge(lab.get(), known)
    except LakeNotFoundError:
        return dg.SensorResult(skip_reason="there is no lake yet", cursor="{}")
    if cursor == known:
        return dg.SensorResult(skip_reason="nothing changed", cursor=context.cursor)
    return dg.SensorResult(
        skip_reason=f"{len(events)} checks changed: {', '.join(_named(event) for event in events)}"
        if events
        else "judged, no check changed",
        cursor=json.dumps(cursor, separators=(",", ":"), sort_keys=True),
        asset_events=events,
    )


def judge(lab: Lab, known: Mapping[str, Any]) -> tuple[list[dg.AssetCheckEvaluation], dict[str, Any]]:
    """The evaluations that differ from those last reported, and what to know next time. Raises LakeNotFoundError."""
    state = [lab.catalogue.last_sequence(), verified_at(lab.paths)]
    if known.get("state") == state:
        return [], dict(known)
    found = lake_freshness(lab)
    reported = dict(known.get("verdicts", {}))
    events = []
    for asset, one in found.items():
        verdict = verdict_of(found, asset)
        if reported.get(asset) != verdict.digest and (one.judged or asset in reported):
            reported[asset] = verdict.digest
            events.append(dg.AssetCheckEvaluation(**verdict.of(asset)))
    return events, {"state": state, "verdicts": reported}


def _named(event: dg.AssetCheckEvaluation) -> str:
    return f"{event.asset_key.to_user_string()} {'current' if event.passed else 'not current'}"
