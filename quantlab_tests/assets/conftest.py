"""The demo's lake, made once per test process: the whole main job through Dagster, on a real instance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from quantlab_assets.workflows.demo import run_demo
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_resources.lab import Lab
from quantlab_tests.assets.demo_lake import DemoLake


@pytest.fixture(scope="session")
def demo_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoLake]:
    home: Path = tmp_path_factory.mktemp("demo") / "lake"
    with dg.DagsterInstance.ephemeral() as instance:
        lab = Lab.create(home)
        report = run_demo(LakeRuns(lab, instance))
        yield DemoLake(lab, instance, report)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A new, empty lake."""
    return Lab.create(tmp_path / "lake")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
