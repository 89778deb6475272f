"""Where a lake lives, and what the environment can move."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_resources.lake_paths import LakePaths


def test_everything_lives_under_the_home(tmp_path: Path) -> None:
    paths = LakePaths.from_environment(tmp_path, {"QUANTLAB_HOME": "/elsewhere"})
    assert paths.home == tmp_path
    assert paths.manifest_db == tmp_path / "manifest" / "manifest.sqlite"
    assert paths.artifacts_root == tmp_path / "artifacts"
    assert paths.projection_cache == tmp_path / "cache"
    assert paths.experiment_db == tmp_path / "data" / "experiments.duckdb"


def test_the_variable_names_the_home_and_the_working_directory_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert LakePaths.from_environment(environment={"QUANTLAB_HOME": "here"}).home == tmp_path / "here"
    assert LakePaths.from_environment(environment={"QUANTLAB_HOME": ""}).home == tmp_path / "lake"
    monkeypatch.setenv("QUANTLAB_HOME", str(tmp_path / "set"))
    assert LakePaths.from_environment().home == tmp_path / "set"


def test_single_parts_can_be_moved(tmp_path: Path) -> None:
    moved = {
        "ARTIFACT_MANIFEST_DB": str(tmp_path / "m.sqlite"),
        "ARTIFACTS_ROOT": str(tmp_path / "a"),
        "PROJECTION_CACHE_DIR": str(tmp_path / "p"),
        "EXPERIMENT_DB": str(tmp_path / "e.duckdb"),
    }
    paths = LakePaths.from_environment(tmp_path / "home", moved)
    assert [
        str(p) for p in (paths.manifest_db, paths.artifacts_root, paths.projection_cache, paths.experiment_db)
    ] == list(moved.values())
    assert paths.events == tmp_path / "events"
    assert paths.staging == tmp_path / "a" / "_tmp"


def test_a_lake_can_be_named_by_its_manifest(tmp_path: Path) -> None:
    paths = LakePaths.of_manifest(tmp_path / "manifest" / "manifest.sqlite", environment={})
    assert paths == LakePaths.from_environment(tmp_path, {})
    other = LakePaths.of_manifest(str(tmp_path / "here" / "other.sqlite"), environment={})
    assert (other.manifest_db, other.artifacts_root) == (tmp_path / "here" / "other.sqlite", tmp_path / "artifacts")
    moved = LakePaths.of_manifest(paths.manifest_db, tmp_path / "elsewhere", environment={})
    assert moved.artifacts_root == tmp_path / "elsewhere"


def test_variables_move_the_parts_of_a_named_manifest_only_where_they_are_about_it(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest" / "manifest.sqlite"
    same = {"ARTIFACT_MANIFEST_DB": str(manifest), "ARTIFACTS_ROOT": str(tmp_path / "moved")}
    assert LakePaths.of_manifest(manifest, environment=same).artifacts_root == tmp_path / "moved"
    other = same | {"ARTIFACT_MANIFEST_DB": str(tmp_path / "other.sqlite")}
    assert LakePaths.of_manifest(manifest, environment=other).artifacts_root == tmp_path / "artifacts"
