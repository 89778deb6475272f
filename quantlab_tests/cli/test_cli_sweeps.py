"""``quantlab experiments sweep`` and the two leaderboards: what a person sees, what a program gets, what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.copied_lake import copied_lake

SWEEP = """
name: stops and targets
strategy: tight_stop
grid:
  stop_loss: [0.1, 0.2, 0.001]
  take_profit: [[[0.3, 1.0]], null]
choose_by: median_return
statistics: {bootstrap: {samples: 100}}
from: 2025-05-01
"""


@pytest.fixture(scope="module")
def lake(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    """A lake of its own: sweeps are written to it."""
    home = tmp_path_factory.mktemp("swept") / "lake"
    copied_lake(small_lake.home, home)
    return SmallLake(home, small_lake.export, small_lake.candles, small_lake.experiment_id)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sweep.yaml"
    path.write_text(SWEEP, encoding="utf-8")
    return path


def test_a_sweep_shows_its_best_sets_its_map_and_what_they_are_worth(lake: SmallLake, file: Path) -> None:
    result = lake.call("experiments", "sweep", file)
    assert result.exit_code == 0, result.output
    assert "4 parameter sets tried, ranked by median_return" in result.stdout
    assert "median_return by take_profit (down) and stop_loss (across); * was chosen" in result.stdout
    assert "was chosen from 4 sets by median_return" in result.stdout
    assert "2 parameter sets contradict themselves and were not tried" in result.stdout
    assert "the deflated Sharpe ratio is not known: " in result.stdout
    assert Path(result.stdout.rsplit("report: ", 1)[1].strip()).is_file()
    again = lake.call("experiments", "sweep", file)
    assert "was completed before; these are its results" in again.stdout


def test_programs_get_every_set(lake: SmallLake, file: Path) -> None:
    found = lake.json("experiments", "sweep", file)
    assert found["status"] == "completed"
    assert set(found["outputs"]) >= {"parameterSets", "trades", "metrics"}
    assert [one.get("rank") for one in found["parameterSets"]] == [1, 2, 3, 4, None, None]
    best = found["parameterSets"][0]
    assert best["isChosen"]
    assert json.loads(best["strategy"])["stop_loss"] in (0.1, 0.2), "a strategy file as it stands"
    written = lake.call("experiments", "sweep", file, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(written.stdout)))
    assert [row["paramId"] for row in rows] == [one["paramId"] for one in found["parameterSets"]]


def test_a_sweep_can_be_made_now_and_run_later(lake: SmallLake, file: Path) -> None:
    result = lake.call("experiments", "sweep", file, "--no-execute", "--id", "later", "--select",
                       "alerts_v1,2025-05-02..2025-05-02")  # fmt: skip
    assert "run it: quantlab experiments execute later" in result.stdout
    assert lake.json("experiments", "get", "later")["status"] == "pending"
    executed = lake.call("experiments", "execute", "later")
    assert executed.exit_code == 0, executed.output
    assert "2 of 2" in executed.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "name: x\nstrategy: tight_stp\ngrid: {fee: [0]}",
            "'tight_stp'; did you mean 'tight_stop'?",
        ),
        ("name: x\nstrategy: none.yaml\ngrid: {fee: [0]}", "strategy file not found: "),
        ("strategy: tight_stop\ngrid: {fee: [0]}", "sweep file: name is required"),
        ("name: x\ngrid: {fee: [0]}", "sweep file: strategy is required"),
        ("name: x\nstrategy: tight_stop\ngird: {fee: [0]}", "unknown key 'gird'; did you mean 'grid'?"),
        ("name: x\nstrategy: tight_stop\ngrid: {stoploss: [0]}", "unknown key 'stoploss'; did you mean 'stop_loss'?"),
        ("name: x\nstrategy: tight_stop\ngrid: {stop_loss: [3]}", "none of the 1 parameter sets is a strategy"),
        ("name: x\nstrategy: tight_stop\nlist: [{}]\nportfolio: {stak: 1}", "portfolio: unknown key 'stak'"),
        ("name: x\nstrategy: tight_stop\nlist: [{}]\nfrom: [1]", "from must be a date"),
        ("name: x\nname: y", "the key 'name' is given twice"),
        ("- 1", "expected a mapping of keys to values"),
        ("grid: {", "not readable as YAML"),
    ],
)
def test_a_bad_file_is_one_line_that_names_it(lake: SmallLake, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    result = lake.call("experiments", "sweep", path)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_file_that_is_not_there_and_ids_beside_days(lake: SmallLake, tmp_path: Path) -> None:
    missing = lake.call("experiments", "sweep", tmp_path / "none.yaml")
    assert (missing.exit_code, "sweep file not found" in missing.stderr) == (1, True)
    both = lake.call("experiments", "sweep", tmp_path / "none.yaml", "--alerts", "a", "--select",
                     "alerts_v1,2025-05-02..2025-05-02")  # fmt: skip
    assert both.exit_code == 2


def test_callers_are_ranked_from_the_experiment_that_only_holds(lake: SmallLake) -> None:
    (own,) = {row["experimentId"] for row in lake.json("callers", "leaderboard")}
    assert "stop_loss" not in lake.json("experiments", "get", own)["config"]["strategy"]
    rows = lake.json("callers", "leaderboard", "--experiment", lake.experiment_id)
    assert [(row["rank"], row["caller"], row["nTrades"]) for row in rows] == [(1, "ada", 1), (2, "grace", 2)]
    assert {row["experimentId"] for row in rows} == {lake.experiment_id}
    shown = lake.call("callers", "leaderboard", "--limit", "1", "--experiment", lake.experiment_id)
    assert f"callers of experiment {lake.experiment_id}" in shown.stdout
    assert "the list is cut at 1 of 2" in shown.stderr
    unknown = lake.call("callers", "leaderboard", "--experiment", "nobody")
    assert (unknown.exit_code, "experiment not found: 'nobody'" in unknown.stderr) == (1, True)


def test_experiments_are_ranked_with_the_number_of_sets_that_they_tried(lake: SmallLake, file: Path) -> None:
    swept = lake.json("experiments", "sweep", file)["experimentId"]
    rows = {row["experimentId"]: row for row in lake.json("experiments", "leaderboard")}
    assert (rows[swept]["nSets"], rows[lake.experiment_id]["nSets"]) == (4, 1)
    listed = lake.call("experiments", "leaderboard", "--format", "csv").stdout
    assert listed.startswith("rank,experimentId,paramId,nSets,nTrades,meanReturnLow")
    assert "sets" in lake.call("experiments", "leaderboard").stdout
