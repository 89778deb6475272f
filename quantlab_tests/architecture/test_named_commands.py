"""Every `quantlab …` that a message, a docstring or a page names is a command that exists."""

from __future__ import annotations

import re
from pathlib import Path

import click

from quantlab_cli.main import cli

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"(?:^ {4}(?:\.venv/bin/)?|`)quantlab ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", re.MULTILINE)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = sorted(
    path for package in ROOT.glob("quantlab_*") for path in package.rglob("*.py") if "quantlab_tests" not in str(path)
)


def missing_commands(text: str) -> list[str]:
    """Commands that ``text`` names and that the command line does not have."""
    context = click.Context(cli)
    missing = []
    for first, second in COMMAND.findall(text):
        group = cli.get_command(context, first)
        is_missing = group is None or (
            bool(second) and isinstance(group, click.Group) and group.get_command(click.Context(group), second) is None
        )
        if is_missing:
            missing.append(f"quantlab {first} {second}".strip())
    return missing


def test_every_named_command_exists() -> None:
    missing = {
        str(path.relative_to(ROOT)): found
        for path in (*PAGES, *MODULES)
        if (found := missing_commands(path.read_text(encoding="utf-8")))
    }
    assert missing == {}


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert missing_commands("run `quantlab lake levitate` or `quantlab verify`") == [
        "quantlab lake levitate",
        "quantlab verify",
    ]
