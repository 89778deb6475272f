from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_tests.resources.projections.small_lake import SmallLake, lake_at


@pytest.fixture
def lake(tmp_path: Path) -> SmallLake:
    return lake_at(tmp_path / "lake")
