from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.clock import SystemClock
from quantlab_resources.experiments.experiment_tracker import ArtifactExperimentTracker
from quantlab_resources.lake_paths import LakePaths
from quantlab_tests.resources.experiments.experiment_lake import ExperimentLake


@pytest.fixture
def lake(tmp_path: Path) -> ExperimentLake:
    paths = LakePaths.from_environment(tmp_path / "lake", {})
    store = ParquetArtifactStore.create(paths, clock=SystemClock())
    return ExperimentLake(store, ArtifactExperimentTracker(store))
