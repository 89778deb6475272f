"""``quantlab lake adopt``: one screen that says what was taken over and what of it could be confirmed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from quantlab_tests.cli.small_lake import call_quantlab
from quantlab_tests.resources.adoption.earlier_store import EarlierStore, small_earlier_lake


@pytest.fixture
def earlier(tmp_path: Path) -> EarlierStore:
    """A lake with a file that is gone, one that nobody registered, and a folder that holds no artifacts."""
    earlier = small_earlier_lake(tmp_path / "old", recorded_root="/gone/artifacts", minutes=60)
    earlier.published[0].parquet.unlink()
    (earlier.root / "alerts_v1" / "v1" / "stray.parquet").write_bytes(b"x")
    (earlier.home / "cache").mkdir()
    return earlier


def test_the_report_says_what_was_adopted_what_is_in_doubt_and_how_to_undo_it(earlier: EarlierStore) -> None:
    result = call_quantlab("lake", "adopt", earlier.home)
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) < 50
    for fact in (
        "alerts_event_v1/v1          2          1       0        1  1 by E2",
        "1 by E1, 3 by E2",
        "adopted now          11",
        "alerts_event_v1 day=2025-05-01/chain=solana: file missing",
        "alerts_v1/v1/stray.parquet",
        "left alone           cache",
        "to undo it",
    ):
        assert fact in result.stdout
    undo = next(line for line in result.stdout.splitlines() if line.startswith("  rm -f "))
    again = call_quantlab("lake", "adopt", earlier.home)
    assert "adopted now          0" in again.stdout
    assert "to undo it" not in again.stdout
    subprocess.run(undo, shell=True, check=True)  # noqa: S602 - it is made for a shell
    refused = call_quantlab("artifacts", "list", home=earlier.home)
    assert (refused.exit_code, "belongs to the earlier store" in refused.stderr) == (1, True)


def test_json_has_everything_and_the_environment_names_the_home_for_a_manifest_that_stands_alone(
    earlier: EarlierStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = earlier.manifest.rename(tmp_path / "rescued.sqlite")
    arguments = ("lake", "adopt", manifest, "--artifacts-root", earlier.root, "--format", "json")
    nowhere = call_quantlab(*arguments)
    assert (nowhere.exit_code, "cannot be adopted in place; name another home" in nowhere.stderr) == (1, True)
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path / "new"))
    result = call_quantlab(*arguments)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["home"] == str(tmp_path / "new")
    assert (report["adopted"], report["heads"]) == (11, 10)
    assert report["withoutHead"] == [{"artifactType": "alerts_event_v1", "logicalKey": "day=2025-05-01/chain=solana"}]
    assert [one["doubts"] for one in report["doubtful"]] == [["file missing"]]
    assert report["unregistered"] == ["alerts_v1/v1/stray.parquet"]
    assert {"manifestCopy", "undo"} <= report.keys()
    by_type = {(one["artifactType"], one["schemaVersion"]): one for one in report["types"]}
    assert by_type["alerts_v1", 1]["content"] == {"E1": 1, "E2": 3}
    listed = call_quantlab("artifacts", "list", "--type", "alerts_v1", "--format", "json", home=tmp_path / "new")
    assert len(json.loads(listed.stdout)) == 4


@pytest.mark.parametrize("path", ["nowhere", "."])
def test_what_is_no_lake_is_one_line_and_status_1(tmp_path: Path, path: str) -> None:
    result = call_quantlab("lake", "adopt", tmp_path / path)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: lake not found: there is no manifest at")
    assert len(result.stderr.splitlines()) == 1


def test_tables_of_the_earlier_types_can_be_published_with_any_columns(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    assert call_quantlab("lake", "init", home=home).exit_code == 0
    any_columns, own_columns = tmp_path / "trades.csv", tmp_path / "curve.csv"
    any_columns.write_text("trade_id,entry_time,profit\na,2025-05-01,1.5\n")
    own_columns.write_text("timestamp,equity,cumulative_pnl,open_positions\n2,1,0,1\n1,1.5,0.5,0\n")
    for type_, key, data in (
        ("experiment_trades", "experiment=x/trades", any_columns),
        ("experiment_curves", "experiment=x/curves", own_columns),
    ):
        given = ("--type", type_, "--version", "1", "--key", key, "--data", data)
        written_by = ("--writer", "tests", "--writer-version", "1")
        result = call_quantlab("artifacts", "publish", *given, *written_by, home=home)
        assert result.exit_code == 0, result.output
