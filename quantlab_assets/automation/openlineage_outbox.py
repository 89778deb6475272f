"""The sensor that tells others of the lake's lineage: it sends what waits in the manifest's outbox."""

import dagster as dg

from quantlab_resources.dagster_io.lab_resource import LabResource

SECONDS_BETWEEN_LOOKS = 30
MOST_SECONDS = 20.0
"""Of one look; what is left goes out with the next one. Dagster gives a look 60 s."""
WAITS_S = (0.5,)
"""Before the one repetition within a look: the next look is the next attempt."""


@dg.sensor(
    name="openlineage_outbox",
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends what was published, and from what, to the OpenLineage receiver that QUANTLAB_OPENLINEAGE names:"
    " http://host:port or a file. Without it this does nothing.",
)
def openlineage_outbox(lab: LabResource) -> dg.SkipReason:
    """One look: it starts no run. A receiver that does not take an event makes the look fail, and nothing is lost."""
    from quantlab_core.errors import LakeNotFoundError
    from quantlab_resources.openlineage.configured_lineage import (
        DESTINATION_VARIABLE,
        configured_destination,
        lineage_of,
    )
    from quantlab_resources.openlineage.send_lineage import lineage_status, send_lineage

    destination = configured_destination(lab.get(), waits_s=WAITS_S)
    if destination is None:
        return dg.SkipReason(f"{DESTINATION_VARIABLE} names no receiver of lineage")
    lineage = lineage_of(lab.get())
    try:
        status = lineage_status(lineage.outbox, destination, lineage.positions)
    except LakeNotFoundError as error:
        return dg.SkipReason(str(error))
    if not status.waiting:
        return dg.SkipReason(f"nothing new for {destination.address}: it has change {status.sequence}, the latest")
    report = send_lineage(lineage.outbox, destination, lineage.positions, most_s=MOST_SECONDS)
    left = f"; {report.waiting:,} changes still wait" if report.waiting else ""
    return dg.SkipReason(
        f"sent {report.sent:,} events to {destination.address}, up to change {report.sequence} of {report.last}{left}"
    )
