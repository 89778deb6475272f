"""``quantlab strategies``, and what experiments are told about states, pages and the index."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from quantlab_core.simulation.presets import PRESETS, preset
from quantlab_core.simulation.strategy import parse_strategy
from quantlab_tests.cli.small_lake import SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake

EARLIER = {
    "name": "earlier",
    "exitConfig": {"profitTargets": [{"target": 2.0, "percent": 0.5}], "stopLoss": {"initial": -0.25}},
}


@pytest.fixture(scope="module")
def lake(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> SmallLake:
    home = tmp_path_factory.mktemp("strategies") / "lake"
    copied_lake(small_lake.home, home)
    return replace(small_lake, home=home)


def written(folder: Path, name: str, **values: object) -> Path:
    path = folder / f"{name.replace(' ', '-')}.yaml"
    path.write_text(yaml.safe_dump({"name": name, **values}), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_written_out_as_a_strategy_file_that_reads_the_same(name: str, tmp_path: Path) -> None:
    shown = call_quantlab("strategies", "show", name, home=tmp_path / "no-lake")
    assert shown.exit_code == 0, shown.output
    assert parse_strategy(yaml.safe_load(shown.stdout)) == preset(name)
    as_json = call_quantlab("strategies", "show", name, "--format", "json", home=tmp_path / "no-lake")
    assert parse_strategy(json.loads(as_json.stdout)) == preset(name)


def test_a_strategy_of_the_earlier_system_is_written_out_with_todays_keys(tmp_path: Path) -> None:
    file = tmp_path / "earlier.json"
    file.write_text(json.dumps(EARLIER), encoding="utf-8")
    shown = yaml.safe_load(call_quantlab("strategies", "show", file).stdout)
    assert (shown["take_profit"], shown["stop_loss"], shown["max_hold_min"]) == ([[1.0, 0.5]], 0.25, 1440)


def test_a_published_strategy_is_listed_shown_and_used_by_name_and_id(lake: SmallLake, tmp_path: Path) -> None:
    published = lake.call("strategies", "publish", written(tmp_path, "my hour", max_hold_min=60))
    assert published.exit_code == 0, published.output
    rows = {row["name"]: row for row in lake.json("strategies", "list")}
    assert list(rows)[: len(PRESETS)] == list(PRESETS)
    assert rows["hold_24h"]["kind"] == "preset"
    assert rows["hold_24h"]["artifactId"], "an experiment used it"
    mine = rows["my hour"]
    assert (mine["kind"], mine["maxHoldMin"]) == ("published", 60)
    created = [
        lake.json("experiments", "create", "--name", "mine", "--strategy", text, "--id", f"mine-{number}")
        for number, text in enumerate(("my hour", mine["artifactId"]))
    ]
    for experiment in created:
        assert experiment["inputs"]["strategies"] == [mine["artifactId"]]
        assert experiment["config"]["strategy"]["max_hold_min"] == 60
    again = lake.call("strategies", "publish", tmp_path / "my-hour.yaml")
    assert "was current already" in again.stdout
    assert "my hour" in lake.call("strategies", "list").stdout


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "momentum", "max_hold_min": 60}, "is that of a preset"),
        ({"max_hold_min": 60}, "name is missing"),
        ({"name": "x", "max_hold_min": 60, "hold": 1}, "hold"),
        ({"name": "x", "max_hold_min": float("nan")}, "max_hold_min"),
        ({"name": "x", "max_hold_min": 60, "reentry": True}, "re-entry is off"),
    ],
)
def test_a_strategy_that_cannot_be_published_is_refused_in_one_line(
    lake: SmallLake, tmp_path: Path, values: dict[str, object], words: str
) -> None:
    file = tmp_path / "refused.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    before = lake.artifact_ids()
    refused = lake.call("strategies", "publish", file)
    assert refused.exit_code == 1
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert lake.artifact_ids() == before


def test_an_unknown_strategy_names_the_nearest(lake: SmallLake) -> None:
    for command in (("strategies", "show"), ("experiments", "create", "--name", "x", "--strategy")):
        refused = lake.call(*command, "momentun")
        assert refused.exit_code == 1
        assert "did you mean 'momentum'?" in refused.stderr


def test_a_pending_experiment_is_cancelled_and_can_run_later(lake: SmallLake) -> None:
    lake.json("experiments", "create", "--name", "x", "--strategy", "tight_stop", "--id", "to-cancel")
    no_page = lake.call("experiments", "report", "to-cancel")
    assert no_page.exit_code == 1
    assert "is pending and has no report; `quantlab experiments execute to-cancel` runs it" in no_page.stderr
    assert lake.call("experiments", "cancel", "to-cancel").stdout == "experiment to-cancel is cancelled\n"
    again = lake.call("experiments", "cancel", "to-cancel")
    assert again.exit_code == 1
    assert "is cancelled and cannot become cancelled" in again.stderr
    assert lake.call("experiments", "execute", "to-cancel").exit_code == 0
    assert lake.call("experiments", "cancel", "to-cancel").exit_code == 1, "completed is final"


def test_the_page_of_a_completed_experiment_is_written_again(lake: SmallLake) -> None:
    shutil.rmtree(lake.home / "reports")
    result = lake.call("experiments", "report", lake.experiment_id)
    assert result.exit_code == 0, result.output
    assert Path(result.stdout.removeprefix("report: ").strip()).is_file()


def test_the_index_is_made_anew_from_nothing(lake: SmallLake) -> None:
    import duckdb

    index = lake.home / "data" / "experiments.duckdb"
    index.unlink()
    result = lake.call("experiments", "reindex")
    assert result.exit_code == 0, result.output
    assert str(index) in result.stdout
    with duckdb.connect(str(index), read_only=True) as connection:
        found = connection.execute("SELECT experiment_id FROM experiments").fetchall()
    assert (lake.experiment_id,) in found
    assert len(found) == int(result.stdout.split()[0])


def test_experiments_are_listed_by_when_they_were_created(lake: SmallLake) -> None:
    created = lake.json("experiments", "get", lake.experiment_id)["provenance"]["createdAt"]
    everything = lake.json("experiments", "list")
    assert lake.json("experiments", "list", "--min-created-at", created[:10]) == everything
    assert lake.json("experiments", "list", "--max-created-at", "2001-01-01") == []
    assert lake.call("experiments", "list", "--min-created-at", "yesterday").exit_code == 1


def test_get_shows_code_and_surroundings(lake: SmallLake) -> None:
    shown = lake.call("experiments", "get", lake.experiment_id).stdout
    for word in ("code", "python", "installed", "floats", "threads", "strategy id"):
        assert f"\n{word} " in shown, word
    assert "binary64, to nearest" in shown
