"""Every benchmark runs, with a few operations only. Nothing here is timed: figures are for people, not for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.child_process import PYTHON, programs
from benchmarks.dagster_ui import CHROMIUM
from benchmarks.measurement import Figure, Measured

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def figures(folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    answer = run("--tiny", "--json", "--folder", str(folder), *names)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)["figures"]


ALONE = ("startup", "pages")
IN_ONE = [name for name in NAMES if name not in ALONE]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(IN_ONE, id="work"),
        pytest.param(["startup"], marks=pytest.mark.slow, id="startup"),
        pytest.param(
            ["pages"],
            marks=[
                pytest.mark.browser,
                pytest.mark.slow,
                pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: pages cannot be opened"),
            ],
            id="pages",
        ),
    ],
)
def test_every_benchmark_gives_figures_beside_peers_and_leaves_nothing_behind(tmp_path: Path, names: list[str]) -> None:
    found = figures(tmp_path, names)
    assert [*dict.fromkeys(figure["benchmark"] for figure in found)] == names
    for figure in found:
        assert figure["peers"], figure["name"]
        assert all(entry["value"] > 0 for entry in (figure, *figure["peers"]))
    assert list(tmp_path.iterdir()) == []


def test_every_benchmark_file_is_known_to_the_runner() -> None:
    files = {path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")}
    assert files == set(NAMES)


def test_a_ratio_above_one_means_dearer_than_the_peer_in_every_unit() -> None:
    slow, fast = Measured("slow", 0.002), Measured("fast", 0.001)
    for unit in ("ms", "per s", "MiB"):
        assert Figure(slow, unit, (fast,)).ratio(fast) == 2
    assert (slow.shown("ms"), slow.shown("per s")) == (2, 500)


def test_the_peak_of_a_program_is_its_own_and_not_that_of_who_started_it() -> None:
    ballast = bytearray(b"x" * (300 * 2**20))
    _, peaks = programs({"nothing": [PYTHON, "-c", ""]}, rounds=0)
    assert peaks["nothing"].cost < len(ballast) / 2


def test_a_program_that_fails_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="ended with status 3"):
        programs({"failing": [PYTHON, "-c", "raise SystemExit(3)"]}, rounds=0)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    answer = run("speed")
    assert answer.returncode == 2
    assert "there is no benchmark 'speed'; there are publish, content_hash" in answer.stderr
