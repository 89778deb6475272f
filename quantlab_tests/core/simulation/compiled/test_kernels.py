"""What keeps compiled code right and cheap: nothing stale, nothing loaded before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from quantlab_core.simulation import compiled
from quantlab_core.simulation.compiled import precompile

FOLDER = Path(str(compiled.__file__)).parent
KERNELS = sorted(FOLDER.glob("*_kernel.py"))


def imported_names(source: str) -> list[str]:
    """Names that a module takes from other modules of quantlab."""
    return [
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("quantlab")
        for alias in node.names
    ]


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda path: path.stem)
def test_a_kernel_takes_constants_alone_from_elsewhere(kernel: Path) -> None:
    """numba renews cached code when the file of the function changes, not when another does that it calls."""
    assert [name for name in imported_names(kernel.read_text(encoding="utf-8")) if not name.isupper()] == []


def test_a_function_from_elsewhere_would_be_seen() -> None:
    assert imported_names("from quantlab_core.simulation.other_kernel import ROUNDING, step") == ["ROUNDING", "step"]


def test_all_kernels_are_compiled_beforehand() -> None:
    source = Path(str(precompile.__file__)).read_text(encoding="utf-8")
    assert KERNELS
    assert [path.stem for path in KERNELS if path.stem not in source] == []


def test_numba_is_loaded_only_when_something_runs() -> None:
    modules = (
        *("quantlab_core.experiments.execute_experiment", "quantlab_core.simulation.compiled.purse"),
        *("quantlab_resources.experiments.lab_execution", "quantlab_resources.projections.candle_pack_projection"),
    )
    program = f"import sys\nimport {', '.join(modules)}\nsys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, cwd=FOLDER.parents[2]).returncode == 0
