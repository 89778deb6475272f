from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.clock import SystemClock
from quantlab_resources.lake_paths import LakePaths
from quantlab_resources.projections.projection_builder import DuckDBProjectionBuilder
from quantlab_tests.resources.projections.small_lake import SmallLake


@pytest.fixture
def lake(tmp_path: Path) -> SmallLake:
    paths = LakePaths.from_environment(tmp_path / "lake", {})
    store = ParquetArtifactStore.create(paths, clock=SystemClock())
    return SmallLake(store, DuckDBProjectionBuilder(store, paths.projection_cache), paths.projection_cache)
