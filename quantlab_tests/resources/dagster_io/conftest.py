"""One Dagster instance for all tests of a module's process, a new lake for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from quantlab_resources.lab import Lab
from quantlab_tests.resources.dagster_io.small_graph import SmallGraph


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[SmallGraph]:
    """An empty lake and an ephemeral instance."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield SmallGraph(Lab.create(tmp_path / "lake"), instance)
