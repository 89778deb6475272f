"""A process is killed at its system calls: nothing acknowledged is lost, nothing is half done, repeating heals."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from quantlab_tests.faults.traced_actor import KILLED, TracedActor, fault_points
from quantlab_tests.faults.undisturbed import Undisturbed
from quantlab_tests.faults.write_paths import WRITE_PATHS

CARELESS_CASES = 40
MOST_BEYOND_THE_END = 2
"""SQLite and DuckDB may write a page more or less than in the run that was counted."""


@pytest.mark.parametrize("name", WRITE_PATHS)
def test_killing_the_process_at_any_call_loses_nothing_and_leaves_nothing_half_done(
    actor: TracedActor, tmp_path: Path, name: str
) -> None:
    path = WRITE_PATHS[name]
    undisturbed = Undisturbed.prepared(path, tmp_path, actor)
    survived = 0
    waiting = fault_points(undisturbed.calls(), "signal=KILL", path.cases)
    for number in count():
        if not waiting:
            break
        fault = waiting.pop(0)
        home = undisturbed.copy(f"killed-{number}")
        outcome = actor.run(name, "careful", home, fault)
        assert outcome.status in (KILLED, 0), (fault, outcome.status, undisturbed.error_at(home))
        assert undisturbed.breaches(home) == [], fault
        assert undisturbed.is_healed(home) is None, fault
        shutil.rmtree(home)
        if outcome.status == 0 and fault.ordinal > 1:  # it did not come this time: an earlier one of its name
            waiting.append(replace(fault, ordinal=fault.ordinal // 2))
        survived += outcome.status == 0 and fault.ordinal == 1
    assert survived <= MOST_BEYOND_THE_END


@pytest.mark.parametrize("name", WRITE_PATHS)
def test_a_careless_way_to_write_is_caught(actor: TracedActor, tmp_path: Path, name: str) -> None:
    path = WRITE_PATHS[name]
    undisturbed = Undisturbed.prepared(path, tmp_path, actor)
    points = fault_points(undisturbed.calls("careless"), "signal=KILL", CARELESS_CASES)
    for number, fault in enumerate(reversed(points)):
        home = undisturbed.copy(f"killed-{number}")
        actor.run(name, "careless", home, fault)
        if undisturbed.breaches(home) or undisturbed.is_healed(home):
            return
        shutil.rmtree(home)
    pytest.fail("a careless way to write went unnoticed")
