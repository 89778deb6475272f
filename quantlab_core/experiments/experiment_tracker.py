"""Port of the experiment tracker: definitions, states, outputs, and the search over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from quantlab_core.experiments.experiment import (
    Experiment,
    ExperimentDefinition,
    ExperimentFilter,
    ExperimentResults,
    ExperimentStatus,
    MatchMode,
)


class ExperimentTracker(Protocol):
    """Experiments are artifacts plus a journal of state changes; the DuckDB file is an index of them."""

    def create(self, definition: ExperimentDefinition) -> Experiment:
        """Record a new experiment as pending. An equal definition returns the existing one; another definition under
        the same id raises ConflictError."""
        ...

    def get(self, experiment_id: str) -> Experiment:
        """The experiment as it stands. Raises ExperimentNotFoundError."""
        ...

    def update_status(self, experiment_id: str, status: ExperimentStatus, *, error: str | None = None) -> None:
        """Journal a change of status. Raises IllegalTransitionError, ExperimentNotFoundError."""
        ...

    def store_results(self, experiment_id: str, results: ExperimentResults) -> None:
        """Record which artifacts are the outputs. Raises ArtifactNotFoundError, ExperimentNotFoundError."""
        ...

    def find_by_input_artifacts(self, artifact_ids: Sequence[str], match: MatchMode = "any") -> list[Experiment]:
        """Experiments that used any (or all) of these artifacts, directly or through a frozen set."""
        ...

    def list(self, filter: ExperimentFilter) -> list[Experiment]:
        """Matching experiments, newest first."""
        ...
