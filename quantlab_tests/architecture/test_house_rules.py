"""Rules of the house that a reader relies on: short files, telling names, nothing of anybody's machine."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 600
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "stuff"}
REGISTRIES = tuple(
    "".join(parts) for parts in (("pypi", ".org"), ("python", "hosted.org"), ("index", "-url"), ("find", "-links"))
)
NAMES_THE_OPTIONS = {"Makefile"}
"""`make lock` switches off that addresses are written, and so has to name the options."""


def tracked_files() -> list[PurePosixPath]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [PurePosixPath(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def text_of(path: PurePosixPath) -> str:
    return (ROOT / path).read_bytes().decode(errors="replace")


def is_too_long(source: str) -> bool:
    return source.count("\n") > MOST_LINES


def is_vague(path: PurePosixPath) -> bool:
    return any(part.partition(".")[0] in VAGUE_NAMES for part in path.parts)


def re_exports(source: str) -> bool:
    """Whether an ``__init__`` does more than say what its package is for."""
    return any(
        not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in ast.parse(source).body
    )


def machine_traces(text: str) -> list[str]:
    """Places of this machine, and addresses of package registries, that the text holds."""
    places = {str(ROOT), str(Path.home()), sys.prefix, sys.base_prefix}
    return sorted(trace for trace in (*(place for place in places if len(place) > 4), *REGISTRIES) if trace in text)


def test_every_module_stays_readable_in_one_sitting() -> None:
    assert [str(path) for path in tracked_files() if path.suffix == ".py" and is_too_long(text_of(path))] == []


def test_every_name_says_what_is_inside() -> None:
    assert [str(path) for path in tracked_files() if is_vague(path)] == []


def test_package_inits_only_describe_their_package() -> None:
    inits = [path for path in tracked_files() if path.name == "__init__.py"]
    assert [str(path) for path in inits if re_exports(text_of(path))] == []


def test_no_file_knows_the_machine_or_a_package_registry() -> None:
    found = {str(path): machine_traces(text_of(path)) for path in tracked_files() if path.name not in NAMES_THE_OPTIONS}
    assert {path: traces for path, traces in found.items() if traces} == {}


def test_lock_files_hold_names_versions_and_hashes_only() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert "==" in line or line.strip().startswith("--hash=sha256:"), f"{name}: {line}"


def test_a_planted_breach_of_each_rule_is_found() -> None:
    assert is_too_long("x = 1\n" * (MOST_LINES + 1))
    assert not is_too_long("x = 1\n" * MOST_LINES)
    assert is_vague(PurePosixPath("quantlab_core/utils.py"))
    assert is_vague(PurePosixPath("quantlab_core/common/prices.py"))
    assert not is_vague(PurePosixPath("quantlab_resources/dagster_io/io_manager.py"))
    assert re_exports("from quantlab_core.token import Token\n")
    assert not re_exports('"""What the package is for."""\n')
    assert machine_traces(f"see {ROOT}/notes") == [str(ROOT)]
    assert machine_traces("https://" + REGISTRIES[0] + "/simple") == [REGISTRIES[0]]
    assert machine_traces("a plain sentence") == []
