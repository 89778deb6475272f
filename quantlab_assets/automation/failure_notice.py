"""The sensor that tells of failed runs, by the hook that ``QUANTLAB_ON_FAILURE`` names (see `failure_notice`)."""

from typing import Any

import dagster as dg

from quantlab_assets.partitions import PARTITION_TAG
from quantlab_assets.workflows.run_origin import PART_OF_TAG
from quantlab_resources.failure_notice import VARIABLE, named_hook, send_notice

MOST_ASSETS = 20


@dg.run_failure_sensor(
    name="tell_of_failures",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Hands every failed run to the command or webhook that {VARIABLE} names.",
)
def tell_of_failures(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """One failed run. What the hook itself does wrong is logged and fails nothing."""
    run = context.dagster_run
    if PART_OF_TAG in run.tags:  # who started it tells of it, or tries again
        return dg.SkipReason(f"run {run.run_id} is part of another program's work")
    hook = named_hook()
    if not hook:
        return dg.SkipReason(f"{VARIABLE} names nobody to tell")
    problem = send_notice(hook, notice_of(context))
    if problem:
        context.log.warning(f"run {run.run_id} failed, and {VARIABLE} could not be told: {problem}")
    return None


def notice_of(context: dg.RunFailureSensorContext) -> dict[str, Any]:
    """The JSON document: what failed and why, in plain values."""
    run = context.dagster_run
    assets = sorted(key.to_user_string() for key in run.asset_selection or ())
    steps = [event for event in context.get_step_failure_events() if event.step_failure_data.error is not None]
    reasons = [_reason(event) for event in steps] or [context.failure_event.message or "no reason is on record"]
    return {
        "event": "run_failed",
        "run_id": run.run_id,
        "job": run.job_name,
        "assets": assets[:MOST_ASSETS],
        "partition": run.tags.get(PARTITION_TAG),
        "behind": run.tags.get("quantlab/behind"),
        "steps": [event.step_key for event in steps],
        "error": reasons[0],
    }


def _reason(event: dg.DagsterEvent) -> str:
    """What a job said of its failure, else the first line of what the step raised, without Dagster's wrapping."""
    said = event.step_failure_data.user_failure_data
    if said is not None and said.description:
        return said.description
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return "" if error is None else error.message.strip().splitlines()[0]
