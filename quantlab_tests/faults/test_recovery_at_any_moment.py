"""Recovery runs while a writer stands still at any of its system calls: it takes nothing from under its hands."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from quantlab_core.errors import IntegrityError, LakeNotFoundError, StorageError
from quantlab_resources.artifacts.manifest import manifest, manifest_file
from quantlab_resources.artifacts.upkeep.recovery import clear_leftovers, recover
from quantlab_tests.faults.lake_view import store_at
from quantlab_tests.faults.store_paths import CREATE, STORE_PATHS
from quantlab_tests.faults.traced_actor import TracedActor, fault_points
from quantlab_tests.faults.undisturbed import Undisturbed
from quantlab_tests.faults.write_paths import WRITE_PATHS

CASES = 8


@pytest.mark.parametrize("name", [path.name for path in STORE_PATHS if path is not CREATE])
def test_recovery_beside_a_writer_takes_nothing_away(
    actor: TracedActor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in (manifest, manifest_file):  # a writer that stands still is not worth waiting for
        monkeypatch.setattr(module, "BUSY_TIMEOUT_MS", 100)
    undisturbed = Undisturbed.prepared(WRITE_PATHS[name], tmp_path, actor)
    points = fault_points(undisturbed.calls("accompanied"), "signal=STOP", CASES)
    for number, fault in enumerate(points):
        home = undisturbed.copy(f"stopped-{number}")
        status = actor.run(name, "accompanied", home, fault, while_stopped=lambda home=home: recover_at(home)).status
        assert status == 0, (fault, status, undisturbed.error_at(home))
        assert undisturbed.breaches(home) == [], fault
        assert undisturbed.is_healed(home) is None, fault
        shutil.rmtree(home)


def recover_at(home: Path) -> None:
    """What another process does first when it begins to publish, and a recovery that does not wait."""
    store = store_at(home)
    try:
        with suppress(IntegrityError):  # an event that nobody committed: recovery sets it aside
            clear_leftovers(store)
        recover(store, wait_s=0.0)
    except (StorageError, LakeNotFoundError):
        pass  # a writer is at work, or there is no lake yet
    finally:
        store.close()
