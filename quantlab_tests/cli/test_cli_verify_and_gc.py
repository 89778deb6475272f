"""``quantlab lake verify --quarantine`` and ``quantlab lake gc``: what they show, what they change, how they end."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from quantlab_resources.artifacts.artifact_store import ParquetArtifactStore
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import call_quantlab
from quantlab_tests.resources.artifacts.lakes import free_request


class Damaged:
    """A lake of two artifacts, one made from the other; the first is damaged."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store: ParquetArtifactStore = Lab.create(home).artifacts
        self.first = self.store.publish(free_request([1], "of=1")).artifact_id
        self.second = self.store.publish(free_request([2], "of=2", input_artifact_ids=[self.first])).artifact_id
        self.table = Path(self.store.get_artifact(self.first).path_parquet)
        self.rot()
        self.store.close()

    def rot(self) -> None:
        self.table.chmod(0o644)
        self.table.write_bytes(b"rotten")


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path / "lake")


def test_quarantine_moves_what_is_damaged_and_lists_what_was_made_from_it(damaged: Damaged) -> None:
    assert call_quantlab("lake", "verify", home=damaged.home).exit_code == 1
    assert damaged.table.read_bytes() == b"rotten", "without the option nothing is moved"
    result = call_quantlab("lake", "verify", "--quarantine", home=damaged.home)
    assert result.exit_code == 1
    assert "1 problems:" in result.stdout
    assert f"moved 1 files to quarantine:\n  {damaged.table} -> {damaged.home}/artifacts/_quarantine/" in result.stdout
    assert result.stdout.count(f"  {damaged.second}  outside  of=2\n") == 1
    assert not damaged.table.exists()
    damaged.store.publish(free_request([1], "of=1"))
    healed = call_quantlab("lake", "verify", "--deep", "--quarantine", home=damaged.home)
    assert healed.exit_code == 0
    assert healed.stdout.endswith("every byte is as the manifest says\nmoved 0 files to quarantine\n")


def test_quarantine_as_json_says_where_the_bytes_are_now(damaged: Damaged) -> None:
    result = call_quantlab("lake", "verify", "--quarantine", "--format", "json", home=damaged.home)
    report = json.loads(result.stdout)
    (moved,) = report["quarantine"]["moved"]
    assert (moved["artifactIds"], moved["path"]) == ([damaged.first], str(damaged.table))
    assert Path(moved["keptAt"]).read_bytes() == b"rotten"
    assert [artifact["artifactId"] for artifact in report["quarantine"]["downstream"]] == [damaged.second]
    assert (report["deep"], report["subset"], report["orphans"], len(report["problems"])) == (False, "1/1", 0, 1)


@pytest.mark.parametrize("output_format", ["table", "json", "csv"])
def test_a_refused_quarantine_still_shows_what_was_found_and_then_why(damaged: Damaged, output_format: str) -> None:
    Path(damaged.store.get_artifact(damaged.second).path_parquet).unlink()
    result = call_quantlab("lake", "verify", "--quarantine", "--format", output_format, home=damaged.home)
    assert result.exit_code == 1
    assert damaged.first in result.stdout
    assert result.stderr.startswith("error: nothing was moved to quarantine: 2 of 2 artifacts failed, more than 1%")
    assert damaged.table.exists()


def test_verify_counts_files_that_belong_to_nothing(damaged: Damaged) -> None:
    (damaged.table.parent / "stray.parquet").write_bytes(b"stray")
    result = call_quantlab("lake", "verify", home=damaged.home)
    assert "1 files belong to no artifact; `quantlab lake recover` clears them away" in result.stdout


def test_gc_shows_what_would_go_and_removes_it_only_when_asked(tmp_path: Path) -> None:
    home = tmp_path / "lake"
    store = Lab.create(home).artifacts
    old = Path(store.publish(free_request([1])).artifact.path_parquet)
    size = old.stat().st_size
    assert "nothing to collect" in call_quantlab("lake", "gc", "--apply", home=home).stdout
    store.publish(free_request([2]))

    plan = call_quantlab("lake", "gc", home=home)
    assert (plan.exit_code, old.exists()) == (0, True)
    assert plan.stdout.endswith(f"would remove the bytes of 1 artifacts, {size} B; --apply does it\n")
    assert [line.split() for line in plan.stdout.splitlines() if line.startswith("outside")] == [
        ["outside", "1", str(size), "B"]
    ]
    rows = list(csv.DictReader(io.StringIO(call_quantlab("lake", "gc", "--format", "csv", home=home).stdout)))
    assert rows == [{"artifactType": "outside", "artifacts": "1", "bytes": str(size)}]
    spared = json.loads(call_quantlab("lake", "gc", "--older-than", "1", "--format", "json", home=home).stdout)
    assert (spared["applied"], spared["artifacts"]) == (False, 0)

    applied = json.loads(call_quantlab("lake", "gc", "--apply", "--format", "json", home=home).stdout)
    assert applied == {
        "applied": True,
        "artifacts": 1,
        "bytes": size,
        "types": [{"artifactType": "outside", "artifacts": 1, "bytes": size}],
        "leftoverFiles": 0,
    }
    assert not old.exists()
    assert call_quantlab("lake", "verify", "--deep", home=home).exit_code == 0


@pytest.mark.parametrize("days", ["-1", "nan", "1e300", "1000000000000"])
def test_gc_refuses_an_age_that_makes_no_sense(tmp_path: Path, days: str) -> None:
    Lab.create(tmp_path)
    assert call_quantlab("lake", "gc", "--older-than", days, home=tmp_path).exit_code == 2


def test_neither_makes_a_lake(tmp_path: Path) -> None:
    for command in (("verify", "--quarantine"), ("gc",), ("gc", "--apply")):
        result = call_quantlab("lake", *command, home=tmp_path / "none")
        assert result.exit_code == 1
        assert "lake not found" in result.stderr
    assert list(tmp_path.iterdir()) == []
