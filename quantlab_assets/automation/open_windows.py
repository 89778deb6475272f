"""Slices whose window was not over when they were fetched are asked for again when it is, hour by hour.

What is due is the worklist of `quantlab ohlcv gaps`: it knows which minutes calls need that no source gave, lets calls
wait whose 48 hours are still running, and gives a slice up that was asked for in vain.
"""

from datetime import UTC

import dagster as dg

from quantlab_assets.automation.requested_runs import ENDED_BADLY, unfinished_runs
from quantlab_core.errors import LakeNotFoundError, QuantlabError
from quantlab_resources.dagster_io.lab_resource import LabResource

JOB = "fetch_coverage_gaps"
MOST_FAILURES = 3
"""After so many failed runs in a row the source is asked once a day, until a run succeeds."""
DAILY_HOUR = 4
SLICE_ASSETS = ("ohlcv_slices", "slice_quarantine", "slice_revisions", "token_candles", "candle_set")


@dg.schedule(
    cron_schedule="20 * * * *",
    job_name=JOB,
    name="fetch_open_windows",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Asks the candle source again, hourly, for slices that lack minutes and whose window is over by now.",
)
def fetch_open_windows(context: dg.ScheduleEvaluationContext, lab: LabResource) -> dg.RunRequest | dg.SkipReason:
    """One run where something is due, and none while another run cuts slices."""
    from quantlab_assets.workflows.bring_up_to_date import NO_SOURCE
    from quantlab_resources.coverage.current_coverage import current_worklist

    try:
        found = current_worklist(lab.get())
        has_source = lab.get().candle_source.holds_any()
    except LakeNotFoundError:
        return dg.SkipReason("there is no lake yet")
    except QuantlabError as error:
        return dg.SkipReason(str(error))
    if found is None:
        return dg.SkipReason("coverage was not measured yet")
    if not found.due:
        return dg.SkipReason(
            f"nothing to ask for again; {found.waiting:,} slices wait for the end of their 48 hours, "
            f"{len(found.given_up):,} are given up"
        )
    if not has_source:
        return dg.SkipReason(NO_SOURCE)
    at = context.scheduled_execution_time.astimezone(UTC)
    busy = unfinished_runs(context.instance, at, over=SLICE_ASSETS)
    if busy:
        return dg.SkipReason(f"waits for run {busy[0].run_id} of {busy[0].job_name}")
    latest = context.instance.get_run_records(dg.RunsFilter(job_name=JOB), limit=MOST_FAILURES)
    failed = [record.dagster_run for record in latest if record.dagster_run.status in ENDED_BADLY]
    if len(failed) == MOST_FAILURES and at.hour != DAILY_HOUR:
        return dg.SkipReason(
            f"the last {MOST_FAILURES} runs failed, the latest is {failed[0].run_id}; the next attempt is at"
            f" {DAILY_HOUR:02}:20 UTC"
        )
    return dg.RunRequest(run_key=f"open-windows-{at:%Y-%m-%dT%H}", tags={"quantlab/due": f"{len(found.due)} slices"})
