"""Every test begins in an environment that names no lake: not that of whoever runs the tests, which `make` exports."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

OTHER_VARIABLES = ("DAGSTER_HOME", "ARTIFACT_MANIFEST_DB", "ARTIFACTS_ROOT", "PROJECTION_CACHE_DIR", "EXPERIMENT_DB")


@pytest.fixture(scope="session", autouse=True)
def plain_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in _settings():
            patch.delenv(name)
        yield
        assert _settings() == [], "a command left a variable behind"


def _settings() -> list[str]:
    return [name for name in os.environ if name.startswith("QUANTLAB_") or name in OTHER_VARIABLES]
