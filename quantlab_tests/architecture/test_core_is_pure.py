"""Nothing in quantlab_core opens a file, reads a clock or the environment, or draws unseeded chance."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN_CALLS = {
    "open", "input", "print", "exec", "eval", "__import__", "breakpoint",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "pathlib.Path.cwd", "pathlib.Path.home", "uuid.uuid1", "uuid.uuid4", "importlib.import_module",
}  # fmt: skip
FORBIDDEN_MODULES = {
    "os", "sys", "io", "time", "random", "secrets", "socket", "subprocess", "logging", "locale", "platform",
    "matplotlib", "urllib.request", "pyarrow.parquet", "pyarrow.fs", "pyarrow.dataset", "pyarrow.csv", "pyarrow.json",
    "pyarrow.feather",
}  # fmt: skip
FORBIDDEN_METHODS = {
    "read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "mkdir", "unlink", "rglob", "touch",
    "is_file", "is_dir",
}  # fmt: skip
SEEDED_CHANCE = {"numpy.random.Generator", "numpy.random.PCG64"}
"""Chance that is named by an argument; every other name of numpy.random is refused."""


def impurities(source: str) -> list[str]:
    """``line: what`` for everything in the source that reaches outside its arguments."""
    tree = ast.parse(source)
    names: dict[str, str] = {}
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                found += [f"{node.lineno}: import {alias.name}"] if _is_forbidden_module(alias.name) else []
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                full = f"{node.module}.{alias.name}"
                found += [f"{node.lineno}: import {full}"] if _is_forbidden_module(full) else []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = _dotted(node, names)
            if name.startswith("numpy.random.") and name not in SEEDED_CHANCE and name.count(".") == 2:
                found.append(f"{node.lineno}: {name}")
        if isinstance(node, ast.Call):
            name = _dotted(node.func, names)
            if name in FORBIDDEN_CALLS or (
                isinstance(node.func, ast.Attribute) and node.func.attr in FORBIDDEN_METHODS
            ):
                found.append(f"{node.lineno}: {name}()")
    return found


def _is_forbidden_module(name: str) -> bool:
    return any(name == module or name.startswith(module + ".") for module in FORBIDDEN_MODULES)


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    return f"{_dotted(node.value, names)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def test_the_core_reaches_nothing_outside_its_arguments() -> None:
    modules = sorted((ROOT / "quantlab_core").rglob("*.py"))
    assert len(modules) > 30
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in modules for line in impurities(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "with open('x') as file: pass",
        "from pathlib import Path\nPath('x').read_text()",
        "from pathlib import Path\nPath.cwd()",
        "import datetime as dt\ndt.datetime.now(dt.UTC)",
        "from datetime import datetime\ndatetime.utcnow()",
        "from datetime import date as day\nday.today()",
        "import os\nos.environ['X']",
        "from os import environ",
        "import time\ntime.time()",
        "import random\nrandom.random()",
        "import numpy as np\nnp.random.default_rng()",
        "import numpy as np\nnp.random.random(3)",
        "from numpy.random import default_rng\ndefault_rng()",
        "import uuid\nuuid.uuid4()",
        "def f():\n    print('x')",
        "import logging",
        "import pyarrow.parquet as pq",
        "from pyarrow import parquet",
        "from urllib.request import urlopen",
    ],
)
def test_a_planted_impurity_is_found(source: str) -> None:
    assert impurities(source)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.random.Generator(np.random.PCG64([1]))",
        "from datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)",
        "import uuid\nuuid.uuid5(uuid.NAMESPACE_URL, 'x')",
        "from urllib.parse import urlsplit",
        "from pathlib import Path\ndef f(path: Path) -> str: return path.name",
    ],
)
def test_what_depends_on_arguments_only_is_left_alone(source: str) -> None:
    assert impurities(source) == []
