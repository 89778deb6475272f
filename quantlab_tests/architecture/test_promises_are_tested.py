"""Every promise of docs/reliability.md names the tests that hold it, and every test that is named is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
HEADING = "## How each promise is tested"
NAMED = re.compile(r"`(quantlab_tests/[\w/]+\.py)::(test_\w+)`")


def rows_of(page: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """(promise, named tests) of each row of the table."""
    section = page.partition(HEADING)[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [(row[0].strip(), NAMED.findall(row[-1])) for row in rows[2:]]


def missing_tests(page: str) -> list[str]:
    """Promises without a test, and named tests that are not there."""
    missing = []
    for promise, tests in rows_of(page):
        if not tests:
            missing.append(f"no test: {promise}")
        for file, name in tests:
            path = ROOT / file
            functions = ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else iter(())
            if not any(isinstance(node, ast.FunctionDef) and node.name == name for node in functions):
                missing.append(f"{file}::{name}")
    return missing


def test_every_promise_names_tests_that_are_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert len(rows_of(page)) >= 15
    assert missing_tests(page) == []


def test_a_promise_without_a_test_and_a_test_that_is_gone_are_found() -> None:
    table = "| promise | tests |\n|---|---|\n"
    gone = "`quantlab_tests/architecture/test_promises_are_tested.py::test_of_nothing`"
    assert missing_tests(f"{HEADING}\n\n{table}| a | none |\n| b | {gone} |\n") == [
        "no test: a",
        "quantlab_tests/architecture/test_promises_are_tested.py::test_of_nothing",
    ]
