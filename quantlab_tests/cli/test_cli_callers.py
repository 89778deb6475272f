"""``quantlab callers``: who called, and taking in a list of aliases."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from quantlab_tests.cli.small_lake import SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake

ADA, GRACE = f"user{sum(b'Ada')}", f"user{sum(b'Grace')}"


@pytest.fixture
def lake(small_lake: SmallLake, tmp_path: Path) -> SmallLake:
    """A copy that may be written to."""
    home = copied_lake(small_lake.home, tmp_path / "lake")
    return SmallLake(home, small_lake.export, small_lake.candles, small_lake.experiment_id)


def test_callers_are_listed_with_ids_names_and_calls(small_lake: SmallLake) -> None:
    assert small_lake.json("callers", "list") == [
        {
            "caller": GRACE, "alias": None, "ids": [GRACE], "names": ["Grace"], "calls": 2,
            "firstCall": "2025-05-02T09:00:00Z", "lastCall": "2025-05-02T18:30:00Z",
        },
        {
            "caller": ADA, "alias": None, "ids": [ADA], "names": ["Ada"], "calls": 1,
            "firstCall": "2025-05-01T12:00:00Z", "lastCall": "2025-05-01T12:00:00Z",
        },
    ]  # fmt: skip
    table = small_lake.call("callers", "list", "--limit", "1")
    assert "Grace" in table.stdout
    assert "Ada" not in table.stdout
    assert table.stderr == "the list is cut at 1 of 2; --limit shows more\n"
    listed = list(csv.DictReader(io.StringIO(small_lake.call("callers", "list", "--format", "csv").stdout)))
    assert [(row["caller"], row["names"]) for row in listed] == [(GRACE, '["Grace"]'), (ADA, '["Ada"]')]


def test_an_alias_list_makes_two_names_one_person_and_new_experiments_use_it(lake: SmallLake, tmp_path: Path) -> None:
    file = tmp_path / "callers.yaml"
    file.write_text(f"callers:\n  Ada: [{ADA}, Grace, {GRACE}0]\n", encoding="utf-8")
    taken = lake.call("callers", "alias", file)
    assert taken.exit_code == 0, taken.output
    first, second, *rest = taken.stdout.splitlines()
    assert first.endswith("1 caller, current now")
    assert second == "3 of 3 calls are theirs"
    assert rest == ["aliases of which no call is known:", f"  id {GRACE}0"]
    (ada,) = lake.json("callers", "list")
    assert (ada["caller"], ada["alias"], ada["names"], ada["calls"]) == ("ada", "ada", ["Ada", "Grace"], 3)

    create = ("experiments", "create", "--name", "small", "--strategy", "hold_24h")
    aliases_id = first.split()[2].rstrip(":")
    made = lake.json(*create)
    assert made["inputs"]["callerAliases"] == aliases_id
    assert made["experimentId"] != lake.experiment_id
    assert lake.json(*create, "--aliases", "none")["experimentId"] == lake.experiment_id
    assert lake.json(*create, "--aliases", aliases_id)["experimentId"] == made["experimentId"]
    assert aliases_id in lake.call("experiments", "get", made["experimentId"]).stdout

    assert "was there already" in lake.call("callers", "alias", file).stdout


def test_a_list_that_is_refused_is_one_line_and_status_1(small_lake: SmallLake, tmp_path: Path) -> None:
    file = tmp_path / "callers.yaml"
    file.write_text("callers: {ada: [user1], grace: [user1]}\n", encoding="utf-8")
    refused = small_lake.call("callers", "alias", file)
    assert (refused.exit_code, refused.stdout) == (1, "")
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert line.endswith("'user1' is listed under 'grace' and belongs to 'ada'; leave one")
    assert len(small_lake.json("callers", "list")) == 2


def test_callers_of_no_lake_are_refused_and_make_none(tmp_path: Path) -> None:
    assert call_quantlab("callers", "list", home=tmp_path / "none").exit_code == 1
    assert not (tmp_path / "none").exists()
