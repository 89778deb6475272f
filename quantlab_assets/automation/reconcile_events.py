"""The sensor that reports what a crash kept from Dagster: what is in the manifest, and nobody is about to tell of it.

A run commits to the manifest first and tells Dagster then. If it dies in between, the lake is right and the UI lacks an
event. Each look asks for changes since the last one; where there are none, that is all it does.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dagster as dg

from quantlab_core.artifacts.registry import ARTIFACT_TYPES
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.errors import LakeNotFoundError
from quantlab_resources.artifacts.manifest.changes_since import ChangesOfType, changes_since
from quantlab_resources.dagster_io.lab_resource import LabResource
from quantlab_resources.lab import Lab

SECONDS_BETWEEN_LOOKS = 60
SETTLED_AFTER = timedelta(seconds=60)
"""Whoever published may still tell Dagster of it for so long."""
LOST_AFTER = timedelta(minutes=10)
"""A run that Dagster does not know to have ended, and that published nothing for so long, is not about to tell."""
MOST_PER_LOOK = 1_000


@dataclass(slots=True)
class Reconciled:
    """What one look did: events reported by asset, and up to which change of the manifest all is told."""

    cursor: int
    reported: dict[str, int] = field(default_factory=dict)
    waiting: int = 0
    """Runs and hands whose changes are so young that they may still be told of."""

    def summary(self) -> str:
        """The look in one line."""
        if self.reported:
            named = ", ".join(f"{asset} {count}" for asset, count in self.reported.items())
            return f"reported {sum(self.reported.values())} materializations that Dagster lacked: {named}"
        if self.waiting:
            return f"waiting for {self.waiting} that may still tell of what they published"
        return "Dagster has been told of everything"


def reconcile_events(lab: Lab, instance: dg.DagsterInstance, since: int, now: datetime) -> Reconciled:
    """Report what is missing of the assets that changed after the change ``since`` and are not being worked on.

    What Dagster shows is compared with the manifest, so nothing is reported twice. Raises LakeNotFoundError.
    """
    last = lab.artifacts.last_sequence()
    if last <= since:
        return Reconciled(last)
    with lab.artifacts.manifest.reading() as connection:
        changes = changes_since(connection, since)
    unsettled = [change for change in changes if _may_still_be_told(instance, change, now)]
    settled = {change.artifact_type for change in changes} - {change.artifact_type for change in unsettled}
    found = Reconciled(min((change.first_sequence - 1 for change in unsettled), default=last), waiting=len(unsettled))
    assets = {asset for spec in ARTIFACT_TYPES if spec.name in settled for asset in spec.assets}
    if assets:
        # The command's own work; it imports the definitions, which import this module.
        from quantlab_assets.workflows.sync_dagster import sync_dagster

        report = sync_dagster(lab, instance, only=assets, at_most=MOST_PER_LOOK)
        found.reported = {asset.asset: asset.reported for asset in report.assets if asset.reported}
        if report.reported >= MOST_PER_LOOK:
            found.cursor = since  # the next look goes on
    return found


def _may_still_be_told(instance: dg.DagsterInstance, change: ChangesOfType, now: datetime) -> bool:
    age = now - parse_timestamp(change.last_at)
    if age <= SETTLED_AFTER:
        return True
    if change.run_id is None or age > LOST_AFTER:
        return False
    run = instance.get_run_by_id(change.run_id)
    return run is not None and not run.is_finished


@dg.sensor(
    name="reconcile_events",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports materializations that are in the lake and that a crash kept from Dagster; starts no run.",
)
def reconcile_events_sensor(context: dg.SensorEvaluationContext, lab: LabResource) -> dg.SensorResult:
    """One look. The cursor is the number of the manifest's last change of which Dagster knows."""
    try:
        found = reconcile_events(lab.get(), context.instance, int(context.cursor or 0), lab.get().clock.now())
    except LakeNotFoundError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    if found.reported:
        context.log.info(found.summary())
    return dg.SensorResult(skip_reason=found.summary(), cursor=str(found.cursor))
