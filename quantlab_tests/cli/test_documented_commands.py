"""docs/cli.md: `quantlab artifacts`, `coverage`, `lake`, `ohlcv export`, `ohlcv gaps` work as they stand there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from quantlab_cli.main import cli
from quantlab_resources.lab import Lab
from quantlab_tests.cli.small_lake import FIRST_TOKEN, SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake
from quantlab_tests.resources.adoption.earlier_store import small_earlier_lake

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
COMMAND = re.compile(r"^ {4}quantlab (?:artifacts|coverage|lake|ohlcv export|ohlcv gaps) .+", re.MULTILINE)


def commands(page: str) -> list[list[str]]:
    """The arguments of each such line, continued lines joined, what follows a wide gap left out as a remark."""
    lines = COMMAND.findall(re.sub(r"\\\n\s*", "", page))
    return [shlex.split(re.split(r" {3,}", line.strip())[0])[1:] for line in lines]


COMMANDS = commands(PAGE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def lake(small_lake: SmallLake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that the page's commands may change, one after the other."""
    return copied_lake(small_lake.home, tmp_path_factory.mktemp("documented") / "lake")


@pytest.fixture
def words(lake: Path, tmp_path: Path) -> dict[str, Callable[[], str]]:
    """What stands for the words in capitals."""

    def published(word: str) -> str:
        data = tmp_path / f"{word}.csv"
        data.write_text(f"n\n{word}\n", encoding="utf-8")
        result = call_quantlab(
            "artifacts", "publish", "--type", "outside", "--version", "1", "--key", f"of={tmp_path.name}-{word}",
            "--data", data, "--writer", "page", "--writer-version", "1", "--format", "json", home=lake,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        return str(json.loads(result.stdout)["artifactId"])

    def earlier_lake() -> str:
        small_earlier_lake(tmp_path / "earlier", minutes=60)
        return str(tmp_path / "earlier")

    return {
        "ID": lambda: (
            Lab(lake).artifacts.find_by_logical_key("artifact_set", "of=alerts/selection=current")[0].artifact_id
        ),
        "OLD": lambda: published("old"),
        "NEW": lambda: published("new"),
        "ADDRESS": lambda: FIRST_TOKEN,
        "KEY=VALUE": lambda: "chain=solana",
        "PATH": earlier_lake,
        "DEST": lambda: str(tmp_path / "backup"),
        "FILE": lambda: str(tmp_path / "rebuilt.sqlite"),
    }


def test_every_command_of_these_groups_is_on_the_page() -> None:
    documented = {tuple(arguments[:2]) for arguments in COMMANDS} - {("ohlcv", "export"), ("ohlcv", "gaps")}
    groups = {name: cli.commands[name] for name in ("artifacts", "coverage", "lake")}
    existing = {(name, command) for name, group in groups.items() for command in group.commands}  # type: ignore[attr-defined]
    assert documented == existing


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_the_command_on_the_page_works(
    lake: Path,
    words: dict[str, Callable[[], str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trades.csv").write_text("trade_id,pnl\na-0,1.5\n", encoding="utf-8")
    line = [words[word]() if word in words else word for word in arguments]
    home = None if "--home" in arguments or arguments[:2] == ["lake", "adopt"] else lake
    result = call_quantlab(*line, home=home)
    assert result.exit_code == 0, result.output


def test_a_remark_and_a_continued_line_are_read_as_a_shell_would() -> None:
    page = "    quantlab lake verify   # every byte\n    quantlab artifacts get \\\n        ID --format json\n"
    assert commands(page) == [["lake", "verify"], ["artifacts", "get", "ID", "--format", "json"]]
