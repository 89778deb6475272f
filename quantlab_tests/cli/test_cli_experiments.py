"""``quantlab experiments`` and ``alerts ingest``: from a definition to numbers, and the same again."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from quantlab_cli.alert_commands import _show_alerts_by_day
from quantlab_resources.experiments.experiment_lock import INTERRUPTED
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.copied_lake import copied_lake

RUN_AND_WAIT = """
import sys
from pathlib import Path
from quantlab_resources.experiments.running_attempt import running_attempt
from quantlab_resources.lab import Lab

lab = Lab(Path(sys.argv[1]))
with running_attempt(lab.experiments, "killed", home=lab.paths.home):
    print("running", flush=True)
    sys.stdin.readline()
"""
EXPERIMENT_KEYS = {"experimentId", "name", "inputs", "config", "provenance", "status", "outputs", "execution"}


def has_null(document: object) -> bool:
    if isinstance(document, dict):
        return any(map(has_null, document.values()))
    if isinstance(document, list):
        return any(map(has_null, document))
    return document is None


def test_a_completed_experiment_in_the_requirements_shape(small_lake: SmallLake) -> None:
    found = small_lake.json("experiments", "get", small_lake.experiment_id)
    assert set(found) == EXPERIMENT_KEYS
    assert not has_null(found)
    assert found["status"] == "completed"
    assert set(found["outputs"]) == {"trades", "fills", "metrics", "curves", "diagnostics", "outcome"}
    assert set(found["execution"]) == {"startedAt", "completedAt", "duration"}
    required = {"gitCommit", "gitDirty", "engineVersion", "createdAt"}
    assert set(found["provenance"]) - {"patchHash"} == required | {"environment", "determinism"}


def test_executing_a_completed_experiment_says_so_and_adds_nothing(small_lake: SmallLake) -> None:
    before = small_lake.artifact_ids()
    result = small_lake.call("experiments", "execute", small_lake.experiment_id)
    assert result.exit_code == 0
    assert "was completed before" in result.stdout
    assert "3 of 3" in result.stdout
    report = Path(result.stdout.rsplit("report: ", 1)[1].strip())
    assert report.is_file()
    assert small_lake.artifact_ids() == before


def test_creating_an_equal_experiment_shows_the_existing_one(small_lake: SmallLake) -> None:
    again = small_lake.json("experiments", "create", "--name", "small", "--strategy", "hold_24h")
    assert again["experimentId"] == small_lake.experiment_id
    assert again["status"] == "completed"


def test_a_strategy_file_params_and_days_make_an_experiment_of_their_own(small_lake: SmallLake, tmp_path: Path) -> None:
    file = tmp_path / "quick.json"
    file.write_text(json.dumps({"name": "quick", "max_hold_min": 30, "stake": 10}), encoding="utf-8")
    created = small_lake.json(
        "experiments", "create", "--name", "quick", "--strategy", file, "--id", "my-own-id",
        "--select", "alerts_v1,2025-05-02..2025-05-02", "--to", "2025-05-02",
        "--param", "portfolio.stake=50", "--param", "selection.callers=[grace]", "--description", "30 minutes",
    )  # fmt: skip
    assert created["experimentId"] == "my-own-id"
    assert created["status"] == "pending"
    assert created["description"] == "30 minutes"
    assert created["config"]["params"] == {"portfolio": {"stake": 50}, "selection": {"callers": ["grace"]}}
    assert created["config"]["dateRange"] == {"to": "2025-05-02"}
    executed = small_lake.call("experiments", "execute", "my-own-id")
    assert executed.exit_code == 0, executed.output
    assert "2 of 2" in executed.stdout
    assert "was completed before" not in executed.stdout


def test_experiments_are_listed_by_status_in_every_format(small_lake: SmallLake) -> None:
    completed = small_lake.json("experiments", "list", "--status", "completed")
    assert small_lake.experiment_id in {experiment["experimentId"] for experiment in completed}
    assert small_lake.json("experiments", "list", "--status", "failed") == []
    rows = csv.DictReader(io.StringIO(small_lake.call("experiments", "list", "--format", "csv").stdout))
    assert small_lake.experiment_id in {row["experimentId"] for row in rows}
    assert small_lake.experiment_id in small_lake.call("experiments", "list").stdout
    assert small_lake.call("experiments", "list", "--status", "failed").stdout == "no experiment matches\n"


def test_experiments_are_found_by_what_they_used(small_lake: SmallLake) -> None:
    (first,) = small_lake.json("artifacts", "find", "--type", "alerts_v1", "--key", "day=2025-05-01/chain=solana")
    found = small_lake.json("experiments", "find-by-inputs", "--artifacts", first["artifactId"])
    assert small_lake.experiment_id in {experiment["experimentId"] for experiment in found}
    both = f"{first['artifactId']},no-such-artifact"
    assert small_lake.json("experiments", "find-by-inputs", "--artifacts", both, "--match", "all") == []
    assert small_lake.json("experiments", "find-by-inputs", "--artifacts", both, "--match", "any") == found


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--name", "x"),
        ("create", "--name", "x", "--strategy", "momentum", "--select", "alerts_v1,yesterday"),
        ("create", "--name", "x", "--strategy", "momentum", "--select", "alerts_v1,2025-05-02..2025-05-01"),
        (
            "create",
            "--name",
            "x",
            "--strategy",
            "momentum",
            "--select",
            "alerts_v1,2025-05-01..2025-05-02",
            "--alerts",
            "y",
        ),
        ("create", "--name", "x", "--strategy", "momentum", "--param", "noequals"),
        ("create", "--name", "x", "--strategy", "momentum", "--param", "a=1", "--param", "a.b=2"),
        ("create", "--name", "x", "--strategy", "momentum", "--param", "a.b=1", "--param", "a.b=2"),
        ("create", "--name", "x", "--strategy", "momentum", "--param", "a=[1"),
        ("find-by-inputs",),
        ("list", "--status", "done"),
    ],
)
def test_wrong_usage_is_status_2(small_lake: SmallLake, arguments: tuple[str, ...]) -> None:
    assert small_lake.call("experiments", *arguments).exit_code == 2


def test_ingesting_the_same_export_again_adds_nothing_and_tells_its_stages_on_stderr(small_lake: SmallLake) -> None:
    before = small_lake.artifact_ids()
    result = small_lake.call("alerts", "ingest", small_lake.export, "--date", "2025-05-02", "--chain", "base")
    assert result.exit_code == 0, result.output
    assert "4 messages" in result.stdout
    assert "no alerts of base on these days" in result.stdout
    assert "0 new artifacts" in result.stdout
    assert small_lake.artifact_ids() == before
    assert [line.split(":")[0] for line in result.stderr.splitlines()][1:4] == [
        "Reading messages",
        "Finding alerts",
        "Freezing the alert set",
    ]


def test_the_chain_only_filters_what_the_table_of_alerts_shows(
    small_lake: SmallLake, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = Lab(small_lake.home)
    for chain, rows in ((None, ["2"]), ("solana", ["2"]), ("base", [])):
        _show_alerts_by_day(lab, ["2025-05-02"], chain)
        shown = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [row[2] for row in shown if row[0] == "2025-05-02"] == rows


def test_a_projection_is_listed_disposed_and_rebuilt(small_lake: SmallLake) -> None:
    listed = small_lake.json("projections", "list")
    (research,) = (projection for projection in listed if projection["projectionId"] == "research")
    assert {table["name"]: table["rowCount"] for table in research["tables"]}["alerts"] == 3
    file = Path(research["duckdbPath"])
    assert file.is_file()
    assert small_lake.call("projections", "dispose", "research").exit_code == 0
    assert not file.exists()
    again = small_lake.call("projections", "dispose", "research")
    assert (again.exit_code, again.stdout) == (0, "there was no such file\n")
    (rebuilt,) = small_lake.json("projections", "rebuild", "research")
    assert rebuilt.items() <= research.items()
    assert file.is_file()
    for command in ("rebuild", "dispose"):
        unknown = small_lake.call("projections", command, "no-such")
        assert (unknown.exit_code, unknown.stdout) == (1, "")
        assert unknown.stderr.startswith("error: projection not found: no-such was never built")
        assert unknown.stderr.count("\n") == 1
    assert small_lake.call("projections", "build", "own").exit_code == 2
    (alert_set,) = small_lake.json(
        "artifacts", "find", "--type", "artifact_set", "--key", "of=alerts/selection=current"
    )
    (own,) = small_lake.json("projections", "build", "own", "--alerts", alert_set["artifactId"])
    assert own["totalRows"] == 3


@pytest.fixture
def interrupted(small_lake: SmallLake, tmp_path: Path) -> SmallLake:
    """A copy of the lake with an experiment whose process was killed."""
    home = tmp_path / "lake"
    copied_lake(small_lake.home, home)
    lake = replace(small_lake, home=home, experiment_id="killed")
    lake.json("experiments", "create", "--name", "killed", "--strategy", "hold_24h", "--id", "killed")
    with subprocess.Popen(
        [sys.executable, "-c", RUN_AND_WAIT, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "running\n"
        assert lake.json("experiments", "get", "killed")["status"] == "running", "its process lives"
        assert [one["experimentId"] for one in lake.json("experiments", "list", "--status", "running")] == ["killed"]
        runner.kill()
    assert Lab(home).experiments.get("killed").status == "running"
    return lake


def test_a_killed_experiment_is_shown_as_failed(interrupted: SmallLake) -> None:
    found = interrupted.json("experiments", "get", "killed")
    assert found["status"] == "failed"
    assert found["execution"]["error"] == INTERRUPTED
    assert Lab(interrupted.home).experiments.get("killed").status == "failed"


def test_a_killed_experiment_is_listed_among_the_failed(interrupted: SmallLake) -> None:
    assert [one["experimentId"] for one in interrupted.json("experiments", "list", "--status", "failed")] == ["killed"]
    assert interrupted.json("experiments", "list", "--status", "running") == []


def test_on_a_lake_that_cannot_be_written_the_record_is_shown(interrupted: SmallLake) -> None:
    shutil.rmtree(interrupted.home / "locks")
    (interrupted.home / "locks").write_text("in the way of every lock")
    assert interrupted.json("experiments", "get", "killed")["status"] == "running"
    assert interrupted.json("experiments", "list", "--status", "failed") == []


def test_the_path_of_the_report_cannot_act_on_a_terminal(small_lake: SmallLake, tmp_path: Path) -> None:
    home = tmp_path / "a\x1b]0;title\x9blake"
    copied_lake(small_lake.home, home)
    result = replace(small_lake, home=home).call("experiments", "execute", small_lake.experiment_id)
    assert result.exit_code == 0, result.output
    assert "report: " in result.stdout
    assert not {"\x1b", "\x9b"} & set(result.stdout)
