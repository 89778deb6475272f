"""docs/ci.md: its commands, statuses and workflow work as they stand there, on a small lake."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from quantlab_core.experiments.experiment import ExperimentFilter
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent
COMMANDS = re.findall(r"^ {4}((?:dg|dagster|quantlab) .+)$", PAGE, re.MULTILINE)
STATUSES = re.findall(r"^\| (\d+) \|.*\| `(quantlab .+?)` \|$", PAGE, re.MULTILINE)
TIME_LIMIT_S = 240


@pytest.fixture(scope="module")
def lake(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that the commands may change; its result.json and candles.csv lie beside it."""
    folder = tmp_path_factory.mktemp("ci")
    copied_lake(small_lake.export, folder / "result.json")
    copied_lake(small_lake.candles, folder / "candles.csv")
    return copied_lake(small_lake.home, folder / "lake")


def run_as_written(command: str, lake: Path) -> subprocess.CompletedProcess[str]:
    """The command of a user in the checkout, whose lake is elsewhere."""
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "QUANTLAB_HOME": str(lake),
        "DAGSTER_HOME": str(ROOT),
    }
    return subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith("quantlab")])
def test_the_command_for_dagster_works_and_does_what_it_says(lake: Path, command: str) -> None:
    before = Lab(lake).artifacts.last_sequence()
    done = run_as_written(command, lake)
    assert done.returncode == 0, done.stdout[-1_500:] + done.stderr[-3_000:]
    published = Lab(lake).artifacts.last_sequence() - before
    assert (published > 0) == ("check" not in command and "validate" not in command)
    if "create_experiment" in command:
        (made,) = [
            found for found in Lab(lake).experiments.list(ExperimentFilter()) if found.definition.name == "nightly"
        ]
        assert made.status == "completed"


@pytest.mark.slow
def test_a_run_that_is_refused_ends_with_status_1_and_says_why(lake: Path) -> None:
    config = '{"ops": {"experiment": {"config": {"strategy": "hold_42h"}}}}'
    done = run_as_written(f"dg launch --job create_experiment --config-json '{config}'", lake)
    assert done.returncode == 1
    assert "Failure: no strategy 'hold_42h'" in done.stdout + done.stderr


@pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("quantlab")])
def test_the_command_of_quantlab_works(lake: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.chdir(lake.parent)
    result = call_quantlab(*shlex.split(command)[1:], home=lake)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(("status", "command"), STATUSES)
def test_the_exit_status_is_the_one_in_the_table(lake: Path, status: str, command: str) -> None:
    assert call_quantlab(*shlex.split(command)[1:], home=lake).exit_code == int(status)


def test_the_page_shows_each_kind_of_command_and_status() -> None:
    assert [status for status, _ in STATUSES] == ["0", "1", "2"]
    for part in (
        "dg check defs",
        "dagster definitions validate",
        "asset materialize",
        "--partition-range",
        "dg launch --job",
    ):
        assert any(part in command for command in COMMANDS), part


def test_the_workflow_calls_what_the_page_the_makefile_and_the_command_line_have() -> None:
    workflow: dict[Any, Any] = yaml.safe_load(PAGE[PAGE.index("    name: quantlab\n") : PAGE.index("\n`concurrency`")])
    assert set(workflow["jobs"]) == {"check", "nightly"}
    lines = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in lines:
        program, *arguments = shlex.split(line.removeprefix(".venv/bin/"))
        if program == "make":
            assert set(arguments) <= set(targets)
        elif program == "quantlab":
            assert call_quantlab(*arguments[:2], "--help").exit_code == 0, line
        else:
            assert f"{program} {' '.join(arguments)}" in COMMANDS
