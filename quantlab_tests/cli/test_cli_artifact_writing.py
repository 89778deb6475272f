"""``quantlab artifacts publish|supersede|tombstone``: what changes, and what is said about it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from quantlab_tests.cli.small_lake import call_quantlab

WRITER = ("--writer", "experiment-engine", "--writer-version", "1.0.0")
TRADES = ("--type", "experiment_trades", "--version", "1", "--key", "experiment=exp-123/trades")


class Lake:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "lake"
        assert call_quantlab("lake", "init", home=self.home).exit_code == 0

    def call(self, *arguments: str | Path) -> Result:
        return call_quantlab(*arguments, home=self.home)

    def json(self, *arguments: str | Path) -> Any:
        result = self.call(*arguments, "--format", "json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def csv(self, text: str) -> Path:
        path = self.folder / "trades.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def publish(self, text: str, *more: str, key: str = "any/key") -> str:
        kind = ("--type", "trial", "--version", "1", "--key", key)
        return str(self.json("artifacts", "publish", *kind, "--data", self.csv(text), *WRITER, *more)["artifactId"])

    def status(self, artifact_id: str) -> str:
        return str(self.json("artifacts", "get", artifact_id)["status"])


@pytest.fixture
def lake(tmp_path: Path, plain_environment: None) -> Lake:
    return Lake(tmp_path)


def test_the_requirements_example_publishes_a_csv_file(lake: Lake) -> None:
    data = lake.csv("token,pnl\nabc,1.5\nabd,-0.5\n")
    tag = ("--tag", "experiment_id=exp-123", "--param", "run.seed=7")
    result = lake.call("artifacts", "publish", *TRADES, "--data", data, *tag, *WRITER)
    assert result.exit_code == 0, result.output
    (line,) = result.stdout.splitlines()
    (found,) = lake.json("artifacts", "list", "--tag", "experiment_id=exp-123")
    assert line == f"published {found['artifactId']}: 2 rows"
    assert (found["artifactType"], found["schemaVersion"], found["rowCount"]) == ("experiment_trades", 1, 2)
    shown = lake.json("artifacts", "get", found["artifactId"])
    assert shown["tags"] == [{"name": "experiment_id", "value": "exp-123"}]
    (publication,) = shown["publications"]
    assert publication["writer"] == {"name": "experiment-engine", "version": "1.0.0"}
    assert publication["params"] == {"run": {"seed": 7}}
    assert set(publication["git"]) == {"commit", "dirty"}


def test_what_is_there_already_is_said_and_published_once(lake: Lake) -> None:
    first = lake.publish("a\n1\n")
    again = lake.call(
        "artifacts", "publish", "--type", "trial", "--version", "1", "--key", "any/key", "--data", lake.csv("a\n1\n"),
        *WRITER,
    )  # fmt: skip
    assert again.stdout == f"already there: {first} has the same content; that it was published again is on record\n"
    assert len(lake.json("artifacts", "list")) == 1
    assert len(lake.json("artifacts", "get", first)["publications"]) == 2


def test_new_content_says_whose_place_it_takes_and_how_much_is_stale(lake: Lake) -> None:
    old = lake.publish("a\n1\n")
    lake.publish("b\n1\n", "--input", old, key="made/from")
    kind = ("--type", "trial", "--version", "1", "--key", "any/key")
    lines = lake.call("artifacts", "publish", *kind, "--data", lake.csv("a\n2\n"), *WRITER).stdout.splitlines()
    assert lines[0].endswith(f": 1 row, in place of {old}")
    assert lines[1:] == ["now stale, since made from what was replaced: 1 artifact; see `quantlab lake stale`"]
    back = lake.json("artifacts", "publish", *kind, "--data", lake.csv("a\n1\n"), *WRITER)
    assert back["existingArtifactId"] == old
    assert (back["supersededArtifactId"], back["staleArtifacts"]) == (lines[0].split()[1].rstrip(":"), 0)


def test_supersede_puts_one_artifact_in_the_place_of_another(lake: Lake) -> None:
    old, new = lake.publish("a\n1\n", key="one"), lake.publish("a\n2\n", key="two")
    lake.publish("b\n1\n", "--input", old, key="made/from")
    done = lake.call("artifacts", "supersede", new, old, "--reason", "corrected prices")
    assert done.stdout.splitlines()[0] == f"{new} stands in place of {old}"
    assert "1 artifact" in done.stdout
    assert (lake.status(old), lake.status(new)) == ("superseded", "active")
    again = lake.call("artifacts", "supersede", new, old, "--reason", "x")
    assert again.exit_code == 1
    assert again.stderr.startswith("error: ")


def test_tombstone_withdraws_and_publishing_the_content_again_is_refused(lake: Lake) -> None:
    gone = lake.publish("a\n1\n")
    assert lake.call("artifacts", "tombstone", gone, "--reason", "wrong file").stdout == f"{gone} is withdrawn\n"
    assert lake.status(gone) == "tombstoned"
    again = lake.call("artifacts", "tombstone", gone, "--reason", "wrong file")
    assert again.stdout == f"{gone} was withdrawn before; nothing changed\n"
    kind = ("--type", "trial", "--version", "1", "--key", "any/key")
    refused = lake.call("artifacts", "publish", *kind, "--data", lake.csv("a\n1\n"), *WRITER)
    assert refused.exit_code == 1
    assert gone in refused.stderr
    revived = lake.call("artifacts", "publish", *kind, "--data", lake.csv("a\n1\n"), *WRITER, "--revive")
    assert revived.stdout == f"{gone} has the same content and is current again\n"
    assert lake.status(gone) == "active"


@pytest.mark.parametrize(
    "arguments",
    [
        ("publish", *TRADES, "--data", "trades.csv", *WRITER),
        ("supersede", "a", "b", "--reason", "x"),
        ("tombstone", "a", "--reason", "x"),
    ],
)
def test_without_a_lake_nothing_is_made(tmp_path: Path, plain_environment: None, arguments: tuple[str, ...]) -> None:
    result = call_quantlab("artifacts", *arguments, home=tmp_path / "none")
    assert result.exit_code == 1
    assert "lake not found" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "reason"), [("missing.csv", "not found"), (".", "not a regular file"), ("/dev/zero", "not a regular file")]
)
def test_data_that_is_no_file_is_one_line(lake: Lake, data: str, reason: str) -> None:
    result = lake.call("artifacts", "publish", *TRADES, "--data", lake.folder / data, *WRITER)
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert lake.json("artifacts", "list") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("publish", *TRADES, *WRITER),
        ("publish", *TRADES, "--data", "x", "--writer", "x"),
        ("publish", *TRADES, "--data", "x", *WRITER, "--tag", "noequals"),
        ("supersede", "a", "b"),
        ("tombstone", "a"),
    ],
)
def test_wrong_usage_is_status_2(lake: Lake, arguments: tuple[str, ...]) -> None:
    assert lake.call("artifacts", *arguments).exit_code == 2
