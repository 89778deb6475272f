"""Starting the JSON script: with whatever Python, from whatever folder, and without loading what it does not need."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

import pytest

from quantlab_tests.cli.json_callers import ROOT, SCRIPT, Client, call

HEAVY = {
    "pyarrow", "numpy", "pandas", "polars", "duckdb", "dagster", "matplotlib", "pydantic", "click", "rich", "yaml",
    "sqlite3", "tempfile", "subprocess",
}  # fmt: skip
BARE = (sys.executable, "-I", "-S")
"""The running Python without any installed package, as a caller's own would be."""
IMPORTED = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+([\w.]+)$", re.MULTILINE)
PACKAGES = ("quantlab_core", "quantlab_resources", "quantlab_cli")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    folder = tmp_path_factory.mktemp("start")
    data = folder / "data.csv"
    data.write_text("a\n1\n", encoding="utf-8")
    client = Client.of(folder / "lake")
    client.publish(data)
    return client


def artifact_id(client: Client) -> str:
    (artifact,) = client.call("list_artifacts").result
    return str(artifact["artifactId"])


def heavy_imports(log: str) -> set[str]:
    """Top-level packages in a log of ``-X importtime`` that an answer should not have to wait for."""
    return {name.split(".")[0] for name in IMPORTED.findall(log)} & HEAVY


def logged(request: dict[str, object], arguments: Iterable[str | Path] = (SCRIPT,)) -> str:
    answer = call(request, command=(sys.executable, "-X", "importtime", *arguments))
    assert answer.status == 0, answer.stderr[-500:]
    assert "quantlab_cli" in answer.stderr
    return answer.stderr


@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "health_check"},
        {"operation": "get_artifact", "artifact_id": "ID"},
        {"operation": "get_artifacts_batch", "artifact_ids": ["ID"]},
        {"operation": "list_artifacts", "filter": {"artifactType": "x", "minCreatedAt": "2025-05-01"}},
        {"operation": "find_by_logical_key", "artifact_type": "x", "logical_key": "y"},
        {"operation": "get_lineage", "artifact_id": "ID", "depth": "all"},
        {"operation": "get_downstream", "artifact_id": "ID"},
    ],
    ids=lambda fields: str(fields["operation"]),
)
def test_an_operation_that_reads_loads_nothing_heavy(client: Client, fields: dict[str, object]) -> None:
    known = artifact_id(client)
    named = {"artifact_id": known} if "artifact_id" in fields else {}
    log = logged({**fields, **named, "manifest_db": str(client.manifest_db)})
    assert heavy_imports(log) == set()


def test_a_command_that_looks_at_artifacts_loads_no_arrow(client: Client) -> None:
    home = ("--home", client.manifest_db.parents[1])
    for command in (("list",), ("get", artifact_id(client)), ("find", "--type", "x", "--key", "y")):
        log = logged({}, ("-m", "quantlab_cli", "artifacts", *command, *home))
        assert heavy_imports(log) <= {"click", "rich", "yaml"}


def test_a_heavy_import_is_noticed(client: Client) -> None:
    data = client.manifest_db.parents[2] / "data.csv"
    assert {"pyarrow", "numpy"} <= heavy_imports(logged(client.publication(data)))


def test_a_python_without_packages_borrows_those_of_the_project(client: Client, tmp_path: Path) -> None:
    script = checkout(tmp_path)
    site_packages = tmp_path / ".venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    site_packages.parent.mkdir(parents=True)
    site_packages.symlink_to(sysconfig.get_paths()["platlib"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    request = {"operation": "list_artifacts", "manifest_db": str(client.manifest_db)}
    assert len(call(request, command=(*BARE, script), cwd=elsewhere).result) == 1
    data = client.manifest_db.parents[2] / "data.csv"
    published = call(client.publication(data, logical_key="test/borrowed"), command=(*BARE, script), cwd=elsewhere)
    assert published.result["deduped"] is False


def test_a_python_of_another_version_starts_that_of_the_project(client: Client, tmp_path: Path) -> None:
    script = checkout(tmp_path)
    project_python(tmp_path, f'echo "$@" > {tmp_path}/called; exec {sys.executable} "$@"')
    request = {"operation": "list_artifacts", "manifest_db": str(client.manifest_db)}
    assert call(request, command=(*BARE, script), cwd=Path("/")).result
    assert str(script) in (tmp_path / "called").read_text(encoding="utf-8")


def test_an_environment_without_the_packages_is_tried_once(tmp_path: Path) -> None:
    script = checkout(tmp_path)
    project_python(tmp_path, f'echo again >> {tmp_path}/called; exec {sys.executable} -S "$@"')
    error = call({"operation": "health_check"}, command=(*BARE, script)).error
    assert error["type"] == "EnvironmentMissingError"
    assert "make venv" in error["error"]
    assert (tmp_path / "called").read_text(encoding="utf-8") == "again\n"


def test_without_an_environment_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    script = checkout(tmp_path)
    error = call({"operation": "health_check"}, command=(*BARE, script)).error
    assert (error["type"], error["operation"]) == ("EnvironmentMissingError", None)
    assert str(tmp_path / ".venv") in error["error"]
    # Its client takes "not found" for a missing artifact.
    assert "not found" not in error["error"]


@pytest.mark.parametrize(
    "shim",
    [
        "import runpy\nrunpy.run_path({script!r}, run_name='__main__')\n",
        "import os, sys\nos.execv(sys.executable, [sys.executable, {script!r}])\n",
    ],
)
def test_a_two_line_shim_stands_where_existing_callers_look(client: Client, tmp_path: Path, shim: str) -> None:
    tool = tmp_path / "tools" / "storage" / "artifact_store_ops.py"
    tool.parent.mkdir(parents=True)
    tool.write_text(shim.format(script=str(SCRIPT)), encoding="utf-8")
    request = {"operation": "get_artifact", "manifest_db": str(client.manifest_db), "artifact_id": "nobody"}
    assert "not found" in call(request, command=(sys.executable, tool), cwd=tmp_path).error["error"]


def checkout(folder: Path) -> Path:
    """A copy of the packages, without an environment beside them; returns its script."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "quantlab_cli" / "artifact_store_ops.py"


def project_python(folder: Path, line: str) -> None:
    """An environment whose Python is a shell script."""
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    python.chmod(0o755)
    assert os.access(python, os.X_OK)
