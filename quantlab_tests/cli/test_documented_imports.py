"""docs/candles.md: every example of an import works as it stands there, and shows what the page shows."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from quantlab_cli.ohlcv_commands import SOURCE_NAMES
from quantlab_tests.cli.small_lake import call_quantlab

PAGE = Path(__file__).parents[2] / "docs" / "candles.md"
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A line that begins with ``$ ``, and what stands below it."""

    command: list[str]
    shown: list[str]


def steps(block: str) -> list[Step]:
    found: list[Step] = []
    for line in re.sub(r" \\\n\s*", " ", block).splitlines():
        if line.startswith("$ "):
            found.append(Step(shlex.split(line[2:]), []))
        else:
            found[-1].shown.append(line)
    return found


BLOCKS = [steps(block) for block in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files of the page are written, one lake beside them."""
    return tmp_path_factory.mktemp("imports")


@pytest.mark.parametrize("block", BLOCKS, ids=[" ".join(block[0].command) for block in BLOCKS])
def test_the_example_on_the_page_works(place: Path, monkeypatch: pytest.MonkeyPatch, block: list[Step]) -> None:
    monkeypatch.chdir(place)
    for step in block:
        if step.command[0] == "cat":
            Path(step.command[1]).write_text("\n".join(step.shown) + "\n", encoding="utf-8")
        else:
            assert step.command[0] == "quantlab"
            assert shown(step.command[1:], place / "lake") == step.shown


def shown(arguments: list[str], home: Path) -> list[str]:
    """What a person sees, without the lines of progress."""
    result = call_quantlab(*arguments, home=home)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.exit_code == int(bool(errors)), result.output
    return [line.rstrip() for line in [*result.stdout.splitlines(), *errors]]


def test_every_format_has_an_example() -> None:
    page = PAGE.read_text(encoding="utf-8")
    examples = page[page.index("## One example for each format") :]
    named = {name for title in re.findall(r"^\*\*([a-z ]+)\.\*\*", examples, re.MULTILINE) for name in title.split()}
    assert set(SOURCE_NAMES) - {"auto"} <= named
