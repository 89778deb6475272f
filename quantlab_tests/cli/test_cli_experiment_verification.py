"""``quantlab experiments reproduce``, ``diff`` and ``audit``, in this checkout and in a clone of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.experiments.experiment_outputs import OUTPUTS
from quantlab_resources.experiments import recorded_audit
from quantlab_resources.experiments.experiment_rerun import recorded_outputs
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.copied_lake import copied_lake

PLAIN_OUTPUTS = tuple(name for name in OUTPUTS if name != "parameter_sets")
"""What an experiment has that is no sweep."""

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lake(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """A copy that verdicts may be added to, with a second experiment that has a stop."""
    home = copied_lake(small_lake.home, tmp_path_factory.mktemp("verification") / "lake")
    copied = replace(small_lake, home=home)
    strategy = home.parent / "stopped.json"
    strategy.write_text(json.dumps({"name": "stopped", "max_hold_min": 1440, "stop_loss": 0.02}), encoding="utf-8")
    copied.json("experiments", "create", "--name", "stopped", "--strategy", strategy, "--id", "stopped")
    assert copied.call("experiments", "execute", "stopped").exit_code == 0
    return copied


def test_reproduce_says_so_and_is_status_0(lake: SmallLake) -> None:
    result = lake.call("experiments", "reproduce", lake.experiment_id)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("identical_bytes") == len(PLAIN_OUTPUTS)
    assert "\nreproduced\n" in result.stdout
    found = lake.json("experiments", "reproduce", lake.experiment_id)
    assert found["reproduced"] is True
    assert {one["name"]: one["verdict"] for one in found["outputs"]} == dict.fromkeys(PLAIN_OUTPUTS, "identical_bytes")
    assert (found["differences"], found["inputs"]) == ([], [])
    assert lake.json("artifacts", "get", found["artifactId"])["artifactType"] == "experiment_reproduction_v1"


def test_reproduce_without_its_candles_is_status_1_and_says_why(lake: SmallLake, tmp_path: Path) -> None:
    broken = replace(lake, home=copied_lake(lake.home, tmp_path / "lake"))
    for head in Lab(broken.home).artifacts.heads("token_candles_v1"):
        Path(head.path_parquet).unlink()
    result = broken.call("experiments", "reproduce", lake.experiment_id)
    assert result.exit_code == 1
    assert result.stdout.count("not_checked") == len(PLAIN_OUTPUTS)
    assert "missing" in result.stdout
    assert "nothing was simulated" in result.stdout
    assert result.stdout.rstrip().splitlines()[-2] == "not reproduced"


def test_diff_shows_configuration_metrics_and_trades(lake: SmallLake) -> None:
    result = lake.call("experiments", "diff", lake.experiment_id, "stopped")
    assert result.exit_code == 0, result.output
    assert "strategy.stop_loss: - -> 0.02" in result.stdout
    assert "inputs:\n  strategyId: " in result.stdout
    assert "win_rate" in result.stdout
    assert "only in A" in result.stdout
    found = lake.json("experiments", "diff", lake.experiment_id, "stopped", "--top", "1")
    trades = found["trades"]
    assert trades["changed"] + trades["equal"] == 3
    assert len(trades["largest"]) == min(1, trades["changed"])
    itself = lake.json("experiments", "diff", "stopped", "stopped")
    assert (itself["config"], itself["trades"]["changed"], itself["members"]) == ([], 0, [])


def test_diff_with_an_experiment_that_has_no_results_compares_the_rest(lake: SmallLake) -> None:
    lake.json(
        "experiments", "create", "--name", "pending", "--strategy", "hold_24h", "--id", "pending", "--to", "2025-05-01"
    )
    found = lake.json("experiments", "diff", lake.experiment_id, "pending")
    assert {fact["name"].partition(".")[0] for fact in found["config"]} == {"dateRange"}
    assert "metrics" not in found
    assert found["notes"] == ["A is completed, B is pending: no results were compared"]


def test_audit_passes_counts_and_is_recorded(lake: SmallLake) -> None:
    result = lake.call("experiments", "audit", "stopped", "--sample", "2")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("2 of 3 calls with candles")
    assert "nothing looks ahead" in result.stdout
    found = lake.json("experiments", "audit", "stopped", "--all", "--seed", "3")
    assert found["passed"] is True
    assert found["failures"] == []
    assert sum(check["failed"] for check in found["checks"]) == 0
    assert {check["engine"] for check in found["checks"]} == {"compiled", "sweep", "reference", "selection"}
    assert lake.json("artifacts", "get", found["artifactId"])["artifactType"] == "lookahead_audit_v1"


def test_audit_of_trades_that_the_engine_does_not_give_is_status_1(lake: SmallLake) -> None:
    """The record of one experiment put under another's definition: no engine gives these trades."""
    record = recorded_outputs(Lab(lake.home), Lab(lake.home).experiments.get(lake.experiment_id))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded_audit, "recorded_outputs", lambda _lab, _experiment: record)
        result = lake.call("experiments", "audit", "stopped", "--format", "json", "--seed", "9")
    assert result.exit_code == 1, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["passed"] is False
    assert {failure["check"] for failure in found["failures"]} == {"as_recorded"}
    assert all(failure["alertId"] for failure in found["failures"])


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("reproduce",), 2),
        (("reproduce", "nobody"), 1),
        (("reproduce", "stopped", "--tolerance", "-1"), 2),
        (("audit", "nobody"), 1),
        (("audit", "stopped", "--sample", "0"), 2),
        (("diff", "stopped"), 2),
        (("diff", "stopped", "nobody"), 1),
    ],
)
def test_wrong_usage_is_2_and_what_is_not_there_is_1(lake: SmallLake, arguments: tuple[str, ...], status: int) -> None:
    result = lake.call("experiments", *arguments)
    assert result.exit_code == status
    if status == 1:
        assert result.stderr.startswith("error: experiment")


def cloned(folder: Path) -> Path:
    """Another checkout: the same files of quantlab, with no history, elsewhere."""
    folder.mkdir()
    for package in ("quantlab_core", "quantlab_resources", "quantlab_assets", "quantlab_cli"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.pyc", "*.nbi", "*.nbc"))
    for lock in ROOT.glob("requirements*.lock"):
        shutil.copy(lock, folder)
    return folder


@pytest.mark.slow
def test_an_experiment_of_one_clone_comes_out_to_the_byte_in_another(lake: SmallLake, tmp_path: Path) -> None:
    """Another process, another checkout of the same code with the same lock file, and a copy of the lake."""
    home = copied_lake(lake.home, tmp_path / "copied lake")
    checkout = cloned(tmp_path / "clone")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QUANTLAB", "DAGSTER"))}
    environment |= {"PYTHONPATH": str(checkout), "PYTHONHASHSEED": "77", "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "quantlab_cli",
            "experiments",
            "reproduce",
            "stopped",
            "--format",
            "json",
            "--home",
            home,
        ],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {one["name"]: one["verdict"] for one in found["outputs"]} == dict.fromkeys(PLAIN_OUTPUTS, "identical_bytes")
    here = Lab(lake.home).code_provenance.code_version().git_commit
    facts = {fact["name"]: fact for fact in found["surroundings"]}
    assert facts["gitCommit"]["recorded"] == here
    assert facts["gitCommit"]["reproduced"] == "unknown", "a clone without history says that it does not know"
    assert facts["gitCommit"]["verdict"] == "differs"
