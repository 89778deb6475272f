"""What a run in this process leaves behind in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import signal, sys
from pathlib import Path
if sys.argv[2] == "in the background":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_cli.dagster_instance import dagster_instance
from quantlab_resources.lab import Lab
lab = Lab.create(Path(sys.argv[1]))
before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
with dagster_instance(lab.paths.home) as instance:
    LakeRuns(lab, instance).materialize("", ["alert_set"])
    assert lab.artifacts.heads("artifact_set")
print((signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before, before[0] is signal.SIG_DFL)
"""


@pytest.mark.parametrize("how", ["in the background", "in a terminal"])
def test_signals_do_afterwards_what_they_did_before(tmp_path: Path, how: str) -> None:
    line = [sys.executable, "-c", PROGRAM, str(tmp_path / "lake"), how]
    said = subprocess.run(line, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True)
    assert said.stdout.split() == ["True", "True"]
