"""The sensor that keeps the lake current, and the job that it asks for: what is stale or missing is made again.

A tick asks the manifest and nothing else. While its last change is the one that the cursor knows, the tick ends there.
One run is asked for at a time, for everything that is behind, with a key that follows from what is behind: the same
work is asked for again only after a run of it failed, after a pause, and not more than `MOST_ATTEMPTS` times. What a
run that succeeded left as it is stays as it is until something changes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from quantlab_assets.automation.requested_runs import ENDED_BADLY, status_of, unfinished_runs, unused_run_key
from quantlab_core.artifacts.timestamp_text import format_timestamp, parse_timestamp
from quantlab_core.errors import LakeNotFoundError, QuantlabError
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

SECONDS_BETWEEN_LOOKS = 30
MOST_ATTEMPTS = 3
PAUSE = timedelta(minutes=5)
"""After a run that failed: a candle source that is down is not asked every half minute."""
NEVER_MADE_AFTER = timedelta(hours=1)
"""A run that was asked for so long ago and that the daemon never made is asked for anew."""
BEHIND_TAG = "quantlab/behind"
MAKES_NO_INPUT = ("verify_share", "check_freshness", "run_queued_experiment", "create_experiment", "create_sweep")
CURRENT = "everything is made from what is current"
NOT_KEPT = "caller_leaderboard"
"""It is of one experiment, which somebody may have named: who wants another one says so."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found: the key of a run to ask for and what is behind, or why none is asked for."""

    says: str
    run_key: str | None = None
    behind: str = ""


@dg.op(
    required_resource_keys={"lab"},
    description="Makes everything again that the manifest calls stale or missing, stage after stage.",
)
def make_what_is_behind(context: dg.OpExecutionContext) -> None:
    """Runs the assets in this process, each under a run of its own, as the command line does."""
    # The graph is made of this module too.
    from quantlab_assets.workflows.bring_up_to_date import bring_up_to_date
    from quantlab_assets.workflows.lake_runs import LakeRuns

    runs = LakeRuns(context.resources.lab.get(), context.instance)
    report = bring_up_to_date(runs)
    for note in report.notes:
        context.log.warning(note)
    for refusal in runs.refusals:
        context.log.warning(f"{refusal.asset} {refusal.partition}: {refusal.subject} left as it was: {refusal.reason}")
    context.add_output_metadata(
        {**report.made, "published": runs.counts.published, "new": runs.counts.new, "failed": len(report.failed)}
    )
    if report.failed:
        raise dg.Failure(
            "; ".join(f"{stage}: {reason}" for stage, reason in report.failed.items()),
            allow_retries=False,  # the sensor asks again, after a pause
        )


@dg.job(
    executor_def=dg.in_process_executor,
    description="Makes everything again that is stale or missing: alerts, slices, series, sets, coverage, projection.",
)
def bring_up_to_date() -> None:
    """What `keep_current` asks for."""
    make_what_is_behind()


@dg.sensor(
    job_name="bring_up_to_date",
    name="keep_current",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for one run when the manifest calls something stale or missing, and for none otherwise.",
)
def keep_current(context: dg.SensorEvaluationContext, lab: LabResource) -> dg.SensorResult:
    """One look at the manifest."""
    try:
        found, cursor = look(lab.get(), context.instance, json.loads(context.cursor or "{}"))
    except LakeNotFoundError:
        return dg.SensorResult(skip_reason="there is no lake yet", cursor="{}")
    requests = []
    if found.run_key is not None:
        requests.append(dg.RunRequest(run_key=found.run_key, tags={BEHIND_TAG: found.behind}))
        context.log.info(found.says)
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else found.says,
        cursor=json.dumps(cursor, separators=(",", ":"), sort_keys=True),
    )


def look(lab: Lab, instance: dg.DagsterInstance, cursor: Mapping[str, Any]) -> tuple[Look, dict[str, Any]]:
    """One look. ``cursor`` is what the last one returned.

    It holds the manifest's last change, where nothing was left to do at it, and of the last request the run key, the
    digest of its work, the attempt and when it was asked for. Raises LakeNotFoundError.
    """
    state = {"sequence": lab.catalogue.last_sequence(), "settings": _settings()}
    asked = dict(cursor.get("asked", {}))
    if cursor.get("rest", {}).get("state") == state:
        return Look(cursor["rest"]["says"]), dict(cursor)
    # What judges is loaded when something changed: a tick without anything takes milliseconds.
    from quantlab_resources.freshness.lake_freshness import UPSTREAM

    now = lab.clock.now()
    busy = unfinished_runs(instance, now, over=(*_MADE_BEFORE, *UPSTREAM), but_jobs=MAKES_NO_INPUT)
    if busy:
        return Look(f"waits for run {busy[0].run_id} of {busy[0].job_name}"), {"asked": asked}
    work = _work(lab)
    if not work.behind:
        says = "; ".join([CURRENT, *work.notes])
        return Look(says), {"rest": {"state": state, "says": says}} if work.may_rest else {}
    says = "; ".join([work.summary(), *work.notes])
    attempt = 1
    if asked:
        status = status_of(instance, asked["run"])
        if status is None and now - parse_timestamp(asked["at"]) > NEVER_MADE_AFTER:
            status = dg.DagsterRunStatus.CANCELED
        is_same = asked["work"] == work.digest
        if is_same and status is dg.DagsterRunStatus.SUCCESS:
            left = f"left as it is by the run {asked['run']}: {says}"
            return Look(left), {"asked": asked, "rest": {"state": state, "says": left}}
        if is_same and status not in ENDED_BADLY:
            return Look(f"in the run {asked['run']}: {says}"), {"asked": asked}
        if status in ENDED_BADLY:
            attempt = asked["attempt"] + 1 if is_same else 1
            if attempt > MOST_ATTEMPTS:
                left = f"{MOST_ATTEMPTS} runs failed, left alone until something changes (run {asked['run']}): {says}"
                return Look(left), {"asked": asked, "rest": {"state": state, "says": left}}
            due = parse_timestamp(asked["at"]) + PAUSE
            if now < due:
                return Look(f"the run {asked['run']} failed, next attempt at {due:%H:%M:%S} UTC: {says}"), {
                    "asked": asked
                }
    run_key = unused_run_key(instance, f"bring-up-to-date-{work.digest}")
    asked = {"run": run_key, "work": work.digest, "attempt": attempt, "at": format_timestamp(now)}
    return Look(says, run_key, work.summary()), {"asked": asked}


@dataclass(frozen=True, slots=True)
class _Work:
    """What is behind by asset, as text that follows from it alone, and what is to be said beside it."""

    behind: Mapping[str, int]
    digest: str
    notes: tuple[str, ...]
    may_rest: bool
    """Whether the same state of the manifest gives the same work."""

    def summary(self) -> str:
        return ", ".join(f"{number:,} of {asset}" for asset, number in self.behind.items())


def _work(lab: Lab) -> _Work:
    from quantlab_assets.workflows.bring_up_to_date import NO_SOURCE
    from quantlab_resources.freshness.changed_inputs import changed_inputs
    from quantlab_resources.freshness.days_of_files import has_imported_source
    from quantlab_resources.freshness.lake_freshness import lake_freshness

    found = {asset: one for asset, one in lake_freshness(lab).items() if one.outdated and asset != NOT_KEPT}
    notes, may_rest = [], True
    if "ohlcv_slices" in found:
        try:
            has_source = lab.candle_source.holds_any()
        except QuantlabError as error:
            notes.append(f"{len(found.pop('ohlcv_slices').outdated):,} days wait for the candle source: {error}")
            may_rest = False
        else:
            if not has_source:
                may_rest = has_imported_source(lab)  # another source may be filled without the manifest's knowledge
                notes.append(f"{len(found.pop('ohlcv_slices').outdated):,} days wait for candles: {NO_SOURCE}")
    lines = (f"{asset} {astuple(change)}" for asset, one in found.items() for change in changed_inputs(one.outdated))
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return _Work({asset: len(one.outdated) for asset, one in found.items()}, digest, tuple(notes), may_rest)


def _settings() -> str:
    """What beside the manifest decides on the work, as a hash: an address may hold a secret."""
    named = [os.environ.get(name, "") for name in ("QUANTLAB_CANDLES", "QUANTLAB_FIRST_DAY")]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


_MADE_BEFORE = ("telegram_messages", "imported_candles", "slice_quarantine", "slice_revisions")
"""Assets beside the judged ones whose runs change what is judged."""
