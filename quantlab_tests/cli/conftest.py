"""One small lake per test process."""

from __future__ import annotations

import pytest

from quantlab_tests.cli.small_lake import SmallLake, make_small_lake


@pytest.fixture(scope="session")
def small_lake(plain_environment: None, tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """Not to be written to by tests that count artifacts: commands that find everything done are fine."""
    return make_small_lake(tmp_path_factory.mktemp("cli"))
