from __future__ import annotations

from collections.abc import Iterator

import pytest

from quantlab_tests.faults.traced_actor import TracedActor


@pytest.fixture(scope="module")
def actor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedActor]:
    started = TracedActor.started(tmp_path_factory.mktemp("traces"))
    yield started
    started.close()
