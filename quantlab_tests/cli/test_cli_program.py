"""The program as a whole: its cost, its instance, its signals, and the demo."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quantlab_cli.dagster_instance import dagster_instance
from quantlab_cli.main import cli
from quantlab_tests.cli.small_lake import SmallLake, call_quantlab

ROOT = Path(__file__).parents[2]
HEAVY = ("dagster", "polars", "pandas", "duckdb", "matplotlib", "jinja2")
PROBE = """
import sys
from quantlab_cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("HEAVY", [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""

SETTINGS_PROBE = """
import os, sys
from quantlab_cli.main import cli
for variable, value, commands in {wrong!r}:
    os.environ[variable] = value
    for command in commands:
        try:
            cli([*command, "--home", {home!r}])
        except SystemExit as end:
            assert end.code == 1, command
    del os.environ[variable]
print("HEAVY", [name for name in {heavy!r} if name in sys.modules])
"""


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    program = ["-m", "quantlab_cli"] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_help_and_reading_commands_import_nothing_heavy(small_lake: SmallLake) -> None:
    probe = PROBE.format(heavy=HEAVY)
    home = ("--home", str(small_lake.home))
    result = run("--help", code=PROBE.format(heavy=(*HEAVY, "quantlab_resources.lab")))
    assert result.stderr.endswith("HEAVY []\n"), result.stderr
    for arguments in (("artifacts", "list", *home), ("lake", "verify", *home)):
        result = run(*arguments, code=probe)
        assert result.stderr.endswith("HEAVY []\n"), (arguments, result.stderr)
    planted = run("--help", code="import polars\n" + probe)
    assert planted.stderr.endswith("HEAVY ['polars']\n")


def test_a_wrong_setting_is_told_before_anything_heavy_is_loaded_or_stored(small_lake: SmallLake) -> None:
    """In one process, since starting one takes longer than all of it."""
    refresh = [
        ["alerts", "ingest", str(small_lake.export)],
        ["alerts", "quarantine", "replay"],
        ["ohlcv", "import", str(small_lake.candles)],
        ["ohlcv", "export", "--token", "x", "--from", "2025-05-01", "--to", "2025-05-02"],
        ["ohlcv", "gaps", "--fetch"],
        ["demo"],
    ]
    others = [
        ["experiments", "create", "--name", "x", "--strategy", "momentum"],
        ["experiments", "execute", small_lake.experiment_id],
        ["lake", "sync-dagster"],
    ]
    wrong = [
        ("QUANTLAB_FIRST_DAY", "soon", [*refresh, *others]),
        ("QUANTLAB_COVERAGE_GOOD", "most", refresh),
        ("QUANTLAB_CANDLES", "ftp://candles", refresh),
    ]
    before = small_lake.artifact_ids()
    result = run(code=SETTINGS_PROBE.format(wrong=wrong, home=str(small_lake.home), heavy=HEAVY))
    assert (result.returncode, result.stdout) == (0, "HEAVY []\n"), result.stderr
    lines = result.stderr.splitlines()
    assert len(lines) == sum(len(commands) for _, _, commands in wrong)
    assert all(line.startswith("error: QUANTLAB_") for line in lines), lines
    assert small_lake.artifact_ids() == before


def test_the_module_runs_as_the_program(small_lake: SmallLake) -> None:
    result = run("artifacts", "get", "nope", "--home", str(small_lake.home))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("error: artifact not found")
    assert run("no-such-command").returncode == 2


def test_a_closed_pipe_is_no_error_worth_a_traceback(small_lake: SmallLake) -> None:
    command = f"{sys.executable} -m quantlab_cli artifacts list --format json --home {small_lake.home} | head -c 1"
    result = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert result.stdout == "["
    assert "Traceback" not in result.stderr


def test_every_command_explains_itself_and_takes_home_and_debug() -> None:
    def leaves(command: object, path: tuple[str, ...]) -> list[tuple[str, ...]]:
        commands = getattr(command, "commands", None)
        if commands is None:
            return [path]
        return [leaf for name, child in commands.items() for leaf in leaves(child, (*path, name))]

    found = leaves(cli, ())
    assert len(found) > 15
    for path in found:
        text = call_quantlab(*path, "--help").stdout
        assert "--home PATH" in text, path
        assert "--debug" in text, path


@pytest.mark.slow
def test_an_interrupted_run_ends_with_status_130_and_can_be_repeated(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "quantlab_cli", "demo", "--home", str(tmp_path / "lake")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=240)
    assert process.returncode == 130, first + rest
    assert rest.splitlines()[-1].startswith("interrupted: ")
    assert "Traceback" not in rest
    assert call_quantlab("lake", "verify", home=tmp_path / "lake").exit_code == 0


def test_the_instance_records_its_runs_in_the_lake_and_leaves_the_environment_alone(tmp_path: Path) -> None:
    with dagster_instance(tmp_path / "lake") as instance:
        assert os.environ["QUANTLAB_HOME"] == str(tmp_path / "lake")
        assert str(tmp_path / "lake" / "dagster") in instance.run_storage._conn_string  # type: ignore[attr-defined]
        assert not instance.telemetry_enabled
    assert "QUANTLAB_HOME" not in os.environ


def test_without_a_configuration_file_the_runs_are_recorded_in_the_lake_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where quantlab is installed without its checkout, and called from some other folder."""
    monkeypatch.chdir(tmp_path)
    with dagster_instance(tmp_path / "lake", project=tmp_path / "installed") as instance:
        assert str(tmp_path / "lake" / "dagster") in instance.run_storage._conn_string  # type: ignore[attr-defined]
        assert not instance.telemetry_enabled
    assert not (tmp_path / "lake" / "dagster" / "dagster.yaml").exists()


def test_dagster_home_decides_where_it_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = tmp_path / "configured"
    configured.mkdir()
    shutil.copy(ROOT / "dagster.yaml", configured)
    monkeypatch.setenv("DAGSTER_HOME", str(configured))
    with dagster_instance(tmp_path / "lake") as instance:
        assert instance.root_directory == str(configured)


@pytest.mark.slow
def test_the_demo_shows_its_results_and_a_second_one_adds_nothing(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    first = call_quantlab("demo", home=home)
    assert first.exit_code == 0, first.output
    for expected in (
        "messages (",
        "quarantined by rule",
        "good coverage of the 24 h",
        "momentum",
        "hold_24h",
        "make ui",
    ):
        assert expected in first.stdout
    reports = [Path(path) for path in re.findall(r"^report +(.+)$", first.stdout, re.MULTILINE)]
    assert len(reports) == 3
    assert all(report.is_file() for report in reports)
    suggested = re.findall(r"^  quantlab (artifacts lineage .+)$", first.stdout, re.MULTILINE)
    assert len(suggested) == 1
    assert f"--home {home}" in suggested[0]
    assert call_quantlab(*suggested[0].split()).exit_code == 0

    before = json.loads(call_quantlab("lake", "status", "--format", "json", home=home).stdout)["types"]
    second = call_quantlab("demo", home=home)
    assert second.exit_code == 0, second.output
    assert re.search(r"^nothing new: all \d+ artifacts were already in the lake", second.stdout, re.MULTILINE)
    assert json.loads(call_quantlab("lake", "status", "--format", "json", home=home).stdout)["types"] == before
