"""The queue of experiments: what was created and is pending is run, one after the other.

An experiment that failed is not pending any more, so it is never run again by itself; `quantlab experiments execute`
starts the next attempt. A run that ended before it claimed its experiment is asked for again, `MOST_RUNS` times in all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import dagster as dg

from quantlab_assets.automation.requested_runs import ENDED_BADLY, status_of
from quantlab_assets.experiments import RESULT_ASSETS
from quantlab_assets.partitions import EXPERIMENTS, add_partitions
from quantlab_core.artifacts.logical_key import is_key_value
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.errors import LakeNotFoundError
from quantlab_core.experiments.experiment import ExperimentStatus
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

SECONDS_BETWEEN_LOOKS = 30
GRACE = timedelta(seconds=60)
"""So long after its creation an experiment is left to who created it: `create` and then `execute` do not collide."""
MOST_RUNS = 3
MOST_PER_LOOK = 50
QUEUE_TAG = "quantlab/queue"
"""``dagster.yaml`` lets one run with this tag and the value ``experiments`` be in progress."""

run_queued_experiment = dg.define_asset_job(
    "run_queued_experiment",
    selection=dg.AssetSelection.assets(*RESULT_ASSETS),
    executor_def=dg.in_process_executor,
    description="Runs a pending experiment: simulates it from its frozen definition and publishes its results.",
)


@dataclass(slots=True)
class Queue:
    """What one look found among the pending experiments: run keys by id, and those that nothing is asked for."""

    asked_for: dict[str, str] = field(default_factory=dict)
    in_run: list[str] = field(default_factory=list)
    too_young: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Every pending experiment accounted for, in one line."""
        counts = (
            (self.asked_for, "to be run"),
            (self.in_run, "in a run"),
            (self.too_young, "just created"),
            (self.given_up, f"left alone after {MOST_RUNS} runs that ended before they began"),
        )
        named = [f"{len(found):,} {what}" for found, what in counts if found]
        gone = f": {', '.join(self.given_up[:MOST_RUNS])}" if self.given_up else ""
        return ", ".join(named) + gone if named else "no experiment is pending"


@dg.sensor(
    job=run_queued_experiment,
    name="experiment_queue",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks for a run of every pending experiment; one is in progress at a time.",
)
def experiment_queue(context: dg.SensorEvaluationContext, lab: LabResource) -> dg.SensorResult:
    """One look at the journal of experiments."""
    try:
        sequence = lab.get().catalogue.last_sequence()
        cursor = json.loads(context.cursor or "{}")
        if cursor.get("sequence") == sequence:
            return dg.SensorResult(skip_reason=cursor["says"], cursor=context.cursor)
        found = look(lab.get(), context.instance)
    except LakeNotFoundError:
        return dg.SensorResult(skip_reason="there is no lake yet", cursor="{}")
    says = found.summary()
    may_rest = not (found.asked_for or found.in_run or found.too_young)
    rest: Mapping[str, Any] = {"sequence": sequence, "says": says} if may_rest else {}
    add_partitions(context.instance, EXPERIMENTS, found.asked_for)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(run_key=run_key, partition_key=experiment_id, tags={QUEUE_TAG: "experiments"})
            for experiment_id, run_key in found.asked_for.items()
        ],
        skip_reason=None if found.asked_for else says,
        cursor=json.dumps(rest),
    )


def look(lab: Lab, instance: dg.DagsterInstance) -> Queue:
    """The pending experiments, the oldest first. Raises LakeNotFoundError."""
    found, now = Queue(), lab.clock.now()
    for entry in reversed(lab.artifacts.journal.list_latest(ExperimentStatus.PENDING)):
        experiment_id = entry.experiment_id
        if now - parse_timestamp(entry.at) < GRACE:
            found.too_young.append(experiment_id)
            continue
        run_key = _next_run_key(instance, experiment_id)
        if run_key is None or not is_key_value(experiment_id):
            found.given_up.append(experiment_id)
        elif run_key == "":
            found.in_run.append(experiment_id)
        elif len(found.asked_for) < MOST_PER_LOOK:
            found.asked_for[experiment_id] = run_key
    return found


def _next_run_key(instance: dg.DagsterInstance, experiment_id: str) -> str | None:
    """The key of the run to ask for: empty while one is under way, None when there were enough."""
    for number in range(1, MOST_RUNS + 1):
        run_key = f"experiment-{experiment_id}-{number}"
        status = status_of(instance, run_key)
        if status is None:
            return run_key
        if status not in ENDED_BADLY and status is not dg.DagsterRunStatus.SUCCESS:
            return ""
    return None
