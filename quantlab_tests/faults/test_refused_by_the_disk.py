"""The disk refuses one system call: an error that names the path, nothing half done, and reads go on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from quantlab_tests.faults.acting_process import REFUSED
from quantlab_tests.faults.experiment_path import EXPERIMENT
from quantlab_tests.faults.traced_actor import TracedActor, fault_points
from quantlab_tests.faults.undisturbed import Undisturbed
from quantlab_tests.faults.write_paths import WRITE_PATHS

ERRORS = ("ENOSPC", "EIO")
"""Taken in turns: of why the disk refused nothing depends but the words of the error."""


@pytest.mark.parametrize("name", [name for name in WRITE_PATHS if name != EXPERIMENT.name])
def test_a_call_that_is_refused_is_a_storage_error_with_the_path_and_leaves_nothing_half_done(
    actor: TracedActor, tmp_path: Path, name: str
) -> None:
    path = WRITE_PATHS[name]  # a run through the graph writes in the same ways, at twenty times the cost a case
    undisturbed = Undisturbed.prepared(path, tmp_path, actor)
    refused = 0
    points = fault_points(undisturbed.calls(), "", path.refused_cases)
    for number, (point, error) in enumerate(zip(points, cycle(ERRORS), strict=False)):
        fault = replace(point, effect=f"error={error}")
        home = undisturbed.copy(f"refused-{number}")
        status = actor.run(name, "careful", home, fault).status
        # SQLite may do without a call that failed (a checkpoint comes again): then the act has succeeded.
        assert status in (REFUSED, 0), (fault, status, undisturbed.error_at(home))
        assert undisturbed.breaches(home) == [], fault
        assert undisturbed.is_healed(home) is None, fault
        refused += status == REFUSED
        shutil.rmtree(home)
    assert refused, "no refusal was noticed by anyone"
