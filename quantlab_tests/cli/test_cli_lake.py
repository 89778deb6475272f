"""``quantlab lake``: made, described, verified."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from quantlab_cli.tables import size_text
from quantlab_resources.artifacts.manifest.manifest_schema import MIGRATIONS
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake


def test_init_makes_an_empty_lake_once(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    first = call_quantlab("lake", "init", home=home)
    assert (first.exit_code, first.stdout) == (0, f"{home}: made an empty lake\n")
    again = call_quantlab("lake", "init", home=home)
    assert (again.exit_code, again.stdout) == (0, f"{home}: the lake was there already\n")
    assert "no artifacts yet" in call_quantlab("lake", "status", home=home).stdout
    assert call_quantlab("lake", "verify", home=home).exit_code == 0


def test_init_brings_a_lake_of_an_older_quantlab_up_to_date_and_says_so(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    (home / "manifest").mkdir(parents=True)
    with closing(sqlite3.connect(home / "manifest" / "manifest.sqlite", isolation_level=None)) as older:
        for migration in MIGRATIONS[:-1]:
            older.executescript(migration.sql)
            older.execute("INSERT INTO schema_migrations (version, applied_at) VALUES (?, '')", (migration.version,))
    assert "quantlab lake init" in call_quantlab("artifacts", "list", home=home).stderr
    brought = call_quantlab("lake", "init", home=home)
    assert (brought.exit_code, brought.stdout) == (0, f"{home}: brought up to date ({MIGRATIONS[-1].name})\n")
    assert call_quantlab("artifacts", "list", home=home).exit_code == 0


@pytest.mark.parametrize("command", [("lake", "init"), ("alerts", "ingest", "result.json")])
def test_a_lake_of_the_earlier_store_is_not_made_one_of_ours_in_passing(tmp_path: Path, command: list[str]) -> None:
    home = tmp_path / "earlier"
    small_earlier_lake(home, minutes=1)
    manifest = home / "manifest" / "manifest.sqlite"
    before = manifest.read_bytes()
    refused = call_quantlab(*command, home=home)
    assert refused.exit_code == 1
    assert "belongs to the earlier store and stays as it is; take it over with `quantlab lake adopt`" in refused.stderr
    assert manifest.read_bytes() == before


def test_the_environment_names_the_lake_where_no_home_is_given(
    small_lake: SmallLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUANTLAB_HOME", str(small_lake.home))
    result = call_quantlab("lake", "status", "--format", "json")
    assert json.loads(result.stdout)["home"] == str(small_lake.home)


def test_status_counts_every_artifact_and_byte(small_lake: SmallLake) -> None:
    # A connection that stays open keeps SQLite's side files in place between the command's look and the test's.
    open_store = Lab(small_lake.home).artifacts
    assert open_store.is_available()
    status = small_lake.json("lake", "status")
    assert sum(row["artifacts"] for row in status["types"]) == len(small_lake.artifact_ids())
    assert all(row["artifacts"] == row["active"] + row["superseded"] + row["tombstoned"] for row in status["types"])
    assert status["experiments"]["completed"] >= 1
    files = [path for path in small_lake.home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(part["bytes"] for part in status["parts"]) == sum(path.stat().st_size for path in files)
    open_store.close()
    assert "alerts_v1" in small_lake.call("lake", "status").stdout
    assert small_lake.call("lake", "status", "--format", "csv").stdout.startswith("artifactType,artifacts,active")


def test_verify_of_a_whole_lake_is_status_0(small_lake: SmallLake) -> None:
    result = small_lake.call("lake", "verify", "--deep")
    assert result.exit_code == 0
    assert f"checked {len(small_lake.artifact_ids()):,} artifacts" in result.stdout
    assert "every byte is as the manifest says" in result.stdout
    parts = [small_lake.json("lake", "verify", "--subset", f"{part}/3")["artifactsChecked"] for part in (1, 2, 3)]
    assert sum(parts) == len(small_lake.artifact_ids())
    assert small_lake.call("lake", "verify", "--subset", "4/3").exit_code == 2


def test_verify_names_what_is_damaged_and_what_rests_on_it(small_lake: SmallLake, tmp_path: Path) -> None:
    home = tmp_path / "lake"
    copied_lake(small_lake.home, home)
    lake = SmallLake(home, small_lake.export, small_lake.candles, small_lake.experiment_id)
    (alerts,) = lake.json("artifacts", "find", "--type", "alerts_v1", "--key", "day=2025-05-01/chain=solana")
    file = Path(alerts["pathParquet"])
    assert file.is_relative_to(home)
    file.chmod(0o644)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)

    result = lake.call("lake", "verify")
    assert result.exit_code == 1
    assert "1 problems" in result.stdout
    assert alerts["artifactId"] in result.stdout
    assert "experiment_trades" in result.stdout
    report = json.loads(lake.call("lake", "verify", "--format", "json").stdout)
    assert [(problem["kind"], problem["artifactId"]) for problem in report["problems"]] == [
        ("damaged", alerts["artifactId"])
    ]
    assert "experiment_metrics" in {artifact["artifactType"] for artifact in report["downstream"]}
    assert "damaged" in lake.call("lake", "verify", "--format", "csv").stdout


@pytest.mark.parametrize(
    ("byte_size", "text"),
    [(0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (1536 * 1024, "1.5 MiB"), (5 * 1024**4, "5.0 TiB")],
)
def test_sizes_are_written_in_binary_units(byte_size: int, text: str) -> None:
    assert size_text(byte_size) == text
