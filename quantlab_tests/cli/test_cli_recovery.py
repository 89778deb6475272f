"""``quantlab lake recover`` and ``quantlab lake rebuild-manifest``, as a person in trouble meets them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from quantlab_resources.artifacts.events.event_files import event_path
from quantlab_tests.cli.small_lake import call_quantlab
from quantlab_tests.resources.artifacts.eventful_lake import rows_of
from quantlab_tests.resources.artifacts.lakes import files_under, free_request, new_store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A lake with three publications."""
    store = new_store(tmp_path / "lake")
    for number in (1, 2, 3):
        store.publish(free_request([number], key=f"of={number}"))
    store.close()
    return tmp_path / "lake"


def test_recover_says_what_it_found_and_did_and_then_that_all_is_clean(home: Path) -> None:
    (home / "artifacts" / "_tmp" / "staged-x").write_bytes(b"half")
    orphan = home / "artifacts" / "outside" / "v1" / "nobody.parquet"
    orphan.write_bytes(b"never registered")
    found = call_quantlab("lake", "recover", "--format", "json", home=home)
    assert (found.exit_code, json.loads(found.stdout)) == (
        0,
        [
            {"what": "staging file", "done": "removed", "path": str(home / "artifacts" / "_tmp" / "staged-x")},
            {"what": "orphan", "done": "moved to _quarantine/orphans", "path": str(orphan)},
        ],
    )
    assert call_quantlab("lake", "recover", home=home).stdout == "nothing was left behind: the lake is clean\n"


def test_a_lake_whose_manifest_is_gone_is_brought_back_in_one_command(home: Path) -> None:
    manifest = home / "manifest" / "manifest.sqlite"
    before = rows_of(manifest)
    for path in manifest.parent.glob("manifest.sqlite*"):
        path.unlink()
    for command in (("artifacts", "list"), ("lake", "init"), ("lake", "recover"), ("lake", "verify")):
        refused = call_quantlab(*command, home=home)
        assert refused.exit_code == 1
        assert "`quantlab lake rebuild-manifest` makes it anew" in refused.stderr
    result = call_quantlab("lake", "rebuild-manifest", home=home)
    assert (result.exit_code, rows_of(manifest)) == (0, before)
    assert "to undo" not in result.stdout
    assert call_quantlab("lake", "verify", "--deep", home=home).exit_code == 0


def test_the_rebuild_says_how_it_is_undone(home: Path) -> None:
    manifest = home / "manifest" / "manifest.sqlite"
    original = manifest.stat().st_ino
    lines = call_quantlab("lake", "rebuild-manifest", home=home).stdout.splitlines()
    [undo] = [line.removeprefix("to undo").strip() for line in lines if line.startswith("to undo")]
    assert manifest.stat().st_ino != original
    subprocess.run(undo, shell=True, check=True)  # noqa: S602 - it is a line for the shell
    assert manifest.stat().st_ino == original
    assert call_quantlab("lake", "verify", home=home).exit_code == 0


def test_lost_events_are_refused_and_salvaged_only_when_asked_for(home: Path, tmp_path: Path) -> None:
    event_path(home / "manifest" / "events", 2).unlink()
    files = files_under(home)
    refused = call_quantlab("lake", "rebuild-manifest", home=home)
    assert (refused.exit_code, files_under(home)) == (1, files)
    assert "event 2 missing; nothing was changed" in refused.stderr
    assert call_quantlab("lake", "rebuild-manifest", "--salvage", "--output", tmp_path / "x", home=home).exit_code == 1
    result = call_quantlab("lake", "rebuild-manifest", "--salvage", "--format", "json", home=home)
    document = json.loads(result.stdout)
    assert document["lost"] == [{"first": 2, "last": 2, "why": "missing"}]
    assert document["salvage"] == {"artifacts": 1, "heads": 1, "rowsLeftOut": 0, "ofEarlierStore": 0, "refused": []}
    assert call_quantlab("lake", "verify", home=home).exit_code == 0, "the loss is on record now"


def test_a_salvage_names_what_is_lost(home: Path) -> None:
    event_path(home / "manifest" / "events", 2).unlink()
    shown = call_quantlab("lake", "rebuild-manifest", "--salvage", home=home).stdout
    assert "lost for good: what these events held and no sidecar knows:\n  event 2 missing\n" in shown


def test_a_rebuild_into_a_file_leaves_the_lake_alone(home: Path, tmp_path: Path) -> None:
    before = rows_of(home / "manifest" / "manifest.sqlite")
    result = call_quantlab("lake", "rebuild-manifest", "--output", tmp_path / "other.sqlite", home=home)
    assert (result.exit_code, rows_of(tmp_path / "other.sqlite")) == (0, before)
    assert call_quantlab("lake", "rebuild-manifest", "--output", tmp_path / "other.sqlite", home=home).exit_code == 1
