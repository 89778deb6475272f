"""How well an experiment's candles cover its alerts: a function of the experiment's record, and of nothing else.

As of when the experiment was created, or of when its sets were frozen, were that later: with these candles it was made,
and an alert whose hours were over by then and that has none is not covered, whether anybody asked for them or not.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import pyarrow as pa

from quantlab_assets.frozen_sets import SeriesByToken
from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.artifact_types import ARTIFACT_SET
from quantlab_core.artifacts.frozen_set import set_members
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.artifacts.timestamp_text import format_timestamp, parse_day_or_timestamp, parse_timestamp
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE
from quantlab_core.coverage.forward_coverage import judged
from quantlab_core.coverage.measured_coverage import AlertCoverage, measure_coverage
from quantlab_core.coverage.selection import CoverageSelection
from quantlab_core.coverage.thresholds import DEFAULT_THRESHOLDS
from quantlab_core.errors import IntegrityError
from quantlab_core.experiments.alert_range import parse_alert_range
from quantlab_core.experiments.experiment import ExperimentDefinition


def experiment_coverage(store: ArtifactStore, definition: ExperimentDefinition) -> AlertCoverage:
    """The coverage of the alerts in the experiment's range, as of when it was created.

    By the default thresholds, so that all reports can be compared. Where the graph has measured these two sets already,
    its counts are read instead of all candles: they are the same. Raises IntegrityError for damaged inputs.
    """
    sets = [store.get_artifact(set_id) for set_id in (definition.alert_set_id, definition.candle_set_id)]
    as_of = max(
        parse_day_or_timestamp(definition.provenance.created_at)[0],
        *(parse_timestamp(frozen.created_at) for frozen in sets),
    )
    recorded = recorded_coverage(store, sets)
    forward = (
        measured_from_candles(store, sets, as_of=as_of)
        if recorded is None
        else judged(recorded, DEFAULT_THRESHOLDS, as_of=as_of)
    )
    range_ = parse_alert_range(definition.config.date_range)
    return AlertCoverage(CoverageSelection(range_.start, range_.end).of(forward), format_timestamp(as_of))


def recorded_coverage(store: ArtifactStore, sets: list[Artifact]) -> pa.Table | None:
    """What the graph measured on just these sets; None where it did not, or its bytes are damaged or were collected."""
    wanted = {frozen.artifact_id for frozen in sets}
    for artifact in store.get_downstream(sets[0].artifact_id):
        if artifact.artifact_type == ALERT_FORWARD_COVERAGE.name:
            inputs = store.get_lineage(artifact.artifact_id).inputs
            # The members that were read are inputs too, and follow from the sets.
            if {one.artifact_id for one in inputs if one.artifact_type == ARTIFACT_SET.name} == wanted:
                with suppress(IntegrityError):
                    return read_newest(store, artifact)
    return None


def measured_from_candles(store: ArtifactStore, sets: list[Artifact], *, as_of: datetime) -> pa.Table:
    """Measured on the members of the two sets, alerts first; needs all candles, and says what the graph would."""

    def read(member: Artifact) -> pa.Table:
        return read_newest(store, member)

    alerts, candles = (set_members(store, frozen) for frozen in sets)
    measured = measure_coverage(alerts_of(read, alerts), SeriesByToken(read, candles), as_of=as_of)
    return measured.forward
