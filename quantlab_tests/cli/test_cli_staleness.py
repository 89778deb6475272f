"""``quantlab lake impact``, ``stale`` and ``status`` on one lake: before a correction and after it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from quantlab_tests.cli.small_lake import SmallLake
from quantlab_tests.copied_lake import copied_lake


@pytest.fixture
def lake(small_lake: SmallLake, tmp_path: Path) -> SmallLake:
    home = tmp_path / "lake"
    copied_lake(small_lake.home, home)
    return SmallLake(home, small_lake.export, small_lake.candles, small_lake.experiment_id)


def test_impact_foretells_what_is_stale_after_a_withdrawal(lake: SmallLake) -> None:
    assert lake.call("lake", "stale").stdout == "nothing is stale\n"
    (alerts,) = lake.json("artifacts", "find", "--type", "alerts_v1", "--key", "day=2025-05-01/chain=solana")
    alerts_id = alerts["artifactId"]
    foretold = lake.json("lake", "impact", alerts_id, "--limit", "10000")
    assert foretold["artifactCount"] == len(foretold["artifacts"]) > 3
    assert lake.experiment_id in {item["experimentId"] for item in foretold["experiments"]}
    assert "would become stale" in lake.call("lake", "impact", alerts_id).stdout

    withdrawn = lake.call("artifacts", "tombstone", alerts_id, "--reason", "wrong group")
    assert withdrawn.exit_code == 0, withdrawn.output
    result = lake.call("lake", "stale")
    assert result.exit_code == 0
    assert "alerts_v1 2025-05-01/solana" in result.stdout
    assert "withdrawn: wrong group" in result.stdout
    after = lake.json("lake", "stale", "--limit", "10000")
    assert {item["artifactId"] for item in after["artifacts"]} == {item["artifactId"] for item in foretold["artifacts"]}
    for item in (*after["artifacts"], *after["experiments"]):
        assert item["path"][-1]["artifactId"] == item["cause"]["replaced"]["artifactId"] == alerts_id
        assert item["cause"]["isWithdrawn"]
        assert "replacedBy" not in item["cause"]
    rows = list(csv.DictReader(io.StringIO(lake.call("lake", "stale", "--format", "csv").stdout)))
    assert {row["kind"] for row in rows} == {"artifact", "experiment"}
    assert json.loads(rows[0]["path"])[-1] == alerts_id
    assert {row["reason"] for row in rows} == {"wrong group"}
    behind = {row["asset"]: row for row in after["notCurrent"]}
    assert behind["alert_set"]["withdrawnInputs"] == 1
    assert "alert_set" in behind["research_projection"]["upstreamNotCurrent"]
    assert "not made from everything that is current:" in result.stdout
    assert "`quantlab lake stale` says why" in lake.call("lake", "status").stdout
    assert sum(lake.json("lake", "status")["stale"]["artifacts"].values()) == after["artifactCount"]


def test_a_cut_list_says_so_on_stderr_and_a_type_leaves_experiments_out(lake: SmallLake) -> None:
    (alerts,) = lake.json("artifacts", "find", "--type", "alerts_v1", "--key", "day=2025-05-01/chain=solana")
    lake.call("artifacts", "tombstone", alerts["artifactId"], "--reason", "wrong group")
    cut = lake.call("lake", "stale", "--limit", "1", "--format", "json")
    assert "the list is cut at 1" in cut.stderr
    assert json.loads(cut.stdout)["isCut"]
    sets = lake.json("lake", "stale", "--type", "artifact_set")
    assert {item["artifactType"] for item in sets["artifacts"]} == {"artifact_set"}
    assert sets["experiments"] == []


def test_an_unknown_artifact_has_no_impact_but_an_error(lake: SmallLake) -> None:
    result = lake.call("lake", "impact", "nobody")
    assert result.exit_code == 1
    assert "not found" in result.stderr


def test_a_status_fits_one_screen_and_names_what_is_wrong_with_what_to_run(lake: SmallLake) -> None:
    lines = lake.call("lake", "status").stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines[2:])) <= 100
    (alerts,) = lake.json("artifacts", "find", "--type", "alerts_v1", "--key", "day=2025-05-01/chain=solana")
    Path(alerts["pathParquet"]).unlink()
    damaged = lake.call("lake", "status")
    assert damaged.exit_code == 0
    assert "1 of " in damaged.stdout
    assert "`quantlab lake verify`" in damaged.stdout
    assert lake.json("lake", "status")["files"]["missing"] == 1


def test_a_status_of_a_damaged_manifest_still_shows_the_disk(lake: SmallLake) -> None:
    for path in (lake.home / "manifest").glob("manifest.sqlite*"):
        path.write_bytes(b"no database " * 1_000)
    result = lake.call("lake", "status")
    assert result.exit_code == 0, result.output
    assert "`quantlab lake rebuild-manifest`" in result.stdout
    assert "free" in result.stdout
    assert "problem" in lake.json("lake", "status")
