"""A fresh folder of the embedded engine for each test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_tests.resources.candles.clickhouse.embedded_engine import Engine


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "engine")
