"""Whether an experiment's range of time holds any alert: one that holds none asks nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact import Artifact
from quantlab_core.artifacts.artifact_store import ArtifactStore
from quantlab_core.artifacts.frozen_set_members import alerts_of
from quantlab_core.artifacts.timestamp_text import find_timestamp
from quantlab_core.candles.epoch_time import iso_text
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.alert_range import AlertRange


def require_alerts_in_range(store: ArtifactStore, members: Sequence[Artifact], alert_range: AlertRange) -> None:
    """Raise InvalidInputError when no alert of ``members`` (artifacts of alerts, with rows) lies in the range.

    Alerts are looked at, not recorded times: a day that meets the range may have none inside. Artifacts whose recorded
    times meet it are read first, so mostly one is read; none for a range without bounds. Raises IntegrityError.
    """
    if alert_range == AlertRange(None, None):
        return
    found: list[int] = []
    for member in sorted(members, key=lambda one: not _may_meet(one, alert_range)):
        alerts = alerts_of(lambda one: read_newest(store, one), [member])
        times: list[Any] = pc.cast(alerts["alert_ts_utc"], pa.int64()).to_pylist()
        if any(map(alert_range.holds, times)):
            return
        found += times
    asked = " ".join(f"{name} {bound}" for name, bound in alert_range.mapping().items())
    raise InvalidInputError(
        f"date range: no alert was sent {asked}; the {len(found):,} alerts are from {iso_text(min(found))} to "
        f"{iso_text(max(found))}"
    )


def _may_meet(member: Artifact, alert_range: AlertRange) -> bool:
    first, last = find_timestamp(member.min_ts), find_timestamp(member.max_ts)
    is_before = last is not None and alert_range.start is not None and last < alert_range.start
    is_after = first is not None and alert_range.end is not None and first >= alert_range.end
    return not is_before and not is_after
