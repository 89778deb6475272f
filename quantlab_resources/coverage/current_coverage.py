"""The coverage that was measured last in a lake, and the worklist that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from quantlab_core.artifacts.any_version import read_newest
from quantlab_core.artifacts.artifact_type import ArtifactType
from quantlab_core.artifacts.frozen_set import CURRENT
from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE, COVERAGE_GAPS
from quantlab_core.coverage.worklist import MOST_ATTEMPTS, Worklist, worklist
from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.coverage.slice_answers import SliceAnswers
from quantlab_resources.first_day import first_day
from quantlab_resources.lab import Lab


@dataclass(frozen=True, slots=True)
class CurrentCoverage:
    """``alert_forward_coverage_v1`` and ``coverage_gaps_v1`` as measured together."""

    forward: pa.Table
    gaps: pa.Table

    @property
    def as_of(self) -> str:
        """The instant as of which was measured, UTC text."""
        return attributes_of(self.gaps)["as_of"]

    @property
    def measured_by(self) -> dict[str, str]:
        """The attributes with the thresholds that the verdicts were judged by."""
        return attributes_of(self.forward)


def current_coverage(store: ParquetArtifactStore) -> CurrentCoverage | None:
    """What was measured last; None before anything was. Raises ArtifactDamagedError, ArtifactMissingError."""
    forward, gaps = _current(store, ALERT_FORWARD_COVERAGE), _current(store, COVERAGE_GAPS)
    return None if forward is None or gaps is None else CurrentCoverage(forward, gaps)


def current_worklist(lab: Lab, *, most_attempts: int = MOST_ATTEMPTS) -> Worklist | None:
    """The worklist as of now, for the source that is configured; None before coverage was measured.

    Raises as `current_coverage`, and CandleSourceError where the source is not there.
    """
    found = current_coverage(lab.artifacts)
    if found is None:
        return None
    return worklist(
        found.forward,
        found.gaps,
        SliceAnswers(lab.catalogue, lab.candle_source.fingerprint()),
        now=lab.clock.now(),
        first_day=first_day(),
        most_attempts=most_attempts,
    )


def _current(store: ParquetArtifactStore, spec: ArtifactType) -> pa.Table | None:
    key = f"selection={CURRENT}"
    heads = [head for head in store.heads(spec.name, key) if head.logical_key == key]
    return read_newest(store, heads[0]) if heads else None
