"""One small lake per test process, and an environment that names no other."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from quantlab_tests.cli.small_lake import SmallLake, make_small_lake

VARIABLES = (
    "QUANTLAB_HOME",
    "DAGSTER_HOME",
    "ARTIFACT_MANIFEST_DB",
    "ARTIFACTS_ROOT",
    "PROJECTION_CACHE_DIR",
    "EXPERIMENT_DB",
    "QUANTLAB_CANDLES",
    "QUANTLAB_OPENLINEAGE",
)


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        yield
        assert not [name for name in VARIABLES if name in os.environ], "a command left a variable behind"


@pytest.fixture(scope="session")
def small_lake(plain_environment: None, tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """Not to be written to by tests that count artifacts: commands that find everything done are fine."""
    return make_small_lake(tmp_path_factory.mktemp("cli"))
