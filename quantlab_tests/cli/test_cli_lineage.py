"""`quantlab lake lineage`: sending, and how it stands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quantlab_cli.main import cli
from quantlab_resources.lab import Lab
from quantlab_tests.resources.artifacts.lakes import free_request
from quantlab_tests.resources.openlineage.received_lineage import events_in, received, recorded


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lab = Lab.create(tmp_path / "lake")
    for number in range(3):
        lab.artifacts.publish(free_request([number]))
    lab.close()
    return tmp_path / "lake"


def lineage(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["lake", "lineage", *arguments, "--home", str(home)])


def test_what_waits_is_sent_once_and_the_status_says_how_far(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "lineage.jsonl"
    to = ("--to", str(file))
    never = lineage(home, "status", *to).output
    assert never == (
        f"{file}: it has all up to change 0 of 3, 3 changes of the lake wait; nothing was ever sent there\n"
    )
    one = lineage(home, "send", *to, "--limit", "1").output
    assert one == f"1 event sent to {file}; it has all up to change 1 of 3, 2 changes of the lake wait\n"
    rest = json.loads(lineage(home, "send", *to, "--format", "json").output)
    assert (rest["sent"], rest["sentUpTo"], rest["waitingChanges"]) == (2, 3, 0)
    again = lineage(home, "send", *to).output
    assert again == f"0 events sent to {file}; it has all up to change 3 of 3, nothing waits\n"
    status = json.loads(lineage(home, "status", *to, "--format", "json").output)
    assert status["lastSentAt"].endswith("Z")
    assert received(events_in(file)) == recorded(Lab(home).artifacts)


def test_the_setting_names_the_receiver(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = lineage(home, "send")
    assert missing.exit_code == 2
    assert "set QUANTLAB_OPENLINEAGE" in missing.output
    with monkeypatch.context() as patch:
        patch.setenv("QUANTLAB_OPENLINEAGE", str(tmp_path / "set.jsonl"))
        assert lineage(home, "send").exit_code == 0
    assert len(events_in(tmp_path / "set.jsonl")) == 3


@pytest.mark.parametrize(("to", "says"), [("ftp://host", "can be a file"), ("http://me:pass@host", "leave it out")])
def test_an_address_that_is_refused_is_one_line(home: Path, to: str, says: str) -> None:
    refused = lineage(home, "send", "--to", to)
    assert refused.exit_code == 1
    assert says in refused.output
    assert "pass" not in refused.output


def test_where_there_is_no_lake_nothing_is_made(tmp_path: Path) -> None:
    assert lineage(tmp_path / "none", "status", "--to", str(tmp_path / "x")).exit_code == 1
    assert not (tmp_path / "none").exists()
