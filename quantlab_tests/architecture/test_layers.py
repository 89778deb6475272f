"""The layer contracts of pyproject.toml hold, and would notice a breach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LAYERS = ("quantlab_cli", "quantlab_assets", "quantlab_resources", "quantlab_core")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(program), "--no-cache", "--no-logo", "--config", str(root / "pyproject.toml")]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def planted(root: Path, imports: dict[str, str]) -> Path:
    """A tree with the project's contracts and four packages that import what is given."""
    shutil.copy(ROOT / "pyproject.toml", root)
    for layer in LAYERS:
        (root / layer).mkdir()
        (root / layer / "__init__.py").write_text("", encoding="utf-8")
        (root / layer / "module.py").write_text(imports.get(layer, ""), encoding="utf-8")
    return root


def test_the_contracts_hold() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_tree_without_a_breach_passes(tmp_path: Path) -> None:
    result = lint_imports(planted(tmp_path, {"quantlab_cli": "import quantlab_core.module\n"}))
    assert result.returncode == 0, result.stdout + result.stderr


def test_an_import_against_the_direction_is_noticed(tmp_path: Path) -> None:
    result = lint_imports(planted(tmp_path, {"quantlab_resources": "import quantlab_assets.module\n"}))
    assert result.returncode == 1
    assert "quantlab_resources is not allowed to import quantlab_assets" in result.stdout


def test_input_and_output_in_the_core_are_noticed(tmp_path: Path) -> None:
    for module in ("dagster", "subprocess", "pandas", "os"):
        root = tmp_path / module
        root.mkdir()
        result = lint_imports(planted(root, {"quantlab_core": f"import {module}\n"}))
        assert result.returncode == 1
        assert f"quantlab_core is not allowed to import {module}" in result.stdout
