"""`quantlab coverage show` and `quantlab ohlcv gaps`: what a researcher and a program read, and asking again."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from quantlab_cli.coverage_commands import HORIZONS
from quantlab_cli.main import cli
from quantlab_cli.ohlcv_gaps_commands import DEFAULT_ATTEMPTS, REASONS
from quantlab_core.coverage.alert_windows import HORIZONS_H
from quantlab_core.coverage.worklist import MOST_ATTEMPTS, Reason
from quantlab_tests.cli.small_lake import FIRST_TOKEN, SECOND_TOKEN, SmallLake, call_quantlab
from quantlab_tests.copied_lake import copied_lake

# In the small lake candles run from 1 May 10:00 to 4 May 00:00. The calls are at 1 May 12:00 and 2 May 09:00 and 18:30:
# the last one's 48 hours go on until 4 May 18:31, so 18 h 31 min of them are missing; the second one's lack 9 h 1 min.
MISSING_OF_LAST = 18 * 60 + 31
MISSING_OF_SECOND = 9 * 60 + 1


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("empty") / "lake"
    assert call_quantlab("lake", "init", home=home).exit_code == 0
    return home


@pytest.fixture
def lake(small_lake: SmallLake, tmp_path: Path) -> SmallLake:
    home = copied_lake(small_lake.home, tmp_path / "lake")
    return SmallLake(home, small_lake.export, small_lake.candles, small_lake.experiment_id)


def rows(lake: SmallLake, *arguments: str) -> list[dict[str, Any]]:
    return list(lake.json("coverage", "show", *arguments)["rows"])


def test_what_is_written_out_for_a_fast_start_is_what_is_measured() -> None:
    assert tuple(map(int, HORIZONS)) == HORIZONS_H
    assert DEFAULT_ATTEMPTS == MOST_ATTEMPTS
    assert set(REASONS) == set(Reason.__args__)  # type: ignore[attr-defined]


def test_a_person_sees_totals_and_the_map_by_day(small_lake: SmallLake) -> None:
    shown = small_lake.call("coverage", "show")
    assert shown.exit_code == 0, shown.output
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["48", "h", "3", "1", "1", "1", "0", "0", "33%"] in [line[:9] for line in lines]
    assert ["2025-05-01", "1", "100%", "100%", "100%", "100%", "100%"] in lines
    assert ["2025-05-02", "2", "100%", "100%", "100%", "100%", "0%"] in lines
    assert (
        "good: the source was asked and answered for 95% of the minutes or more; partial: 80%; as of " in shown.stdout
    )
    assert "2 gaps in all; `quantlab ohlcv gaps` lists what to ask the source for again" in shown.stdout


def test_a_program_gets_the_summary_with_thresholds_and_as_of(small_lake: SmallLake) -> None:
    document = small_lake.json("coverage", "show", "--horizon", "48")
    assert document["thresholds"] == {"good": 0.95, "partial": 0.8}
    assert document["asOf"].endswith("Z")
    first, second = document["rows"]
    assert (first["day"], first["chain"], first["horizonH"], first["goodShare"]) == ("2025-05-01", "solana", 48, 1.0)
    assert (second["alerts"], second["partial"], second["poor"], second["pending"]) == (2, 1, 1, 0)


def test_alerts_can_be_chosen_by_time_chain_and_token(small_lake: SmallLake) -> None:
    assert [row["day"] for row in rows(small_lake, "--to", "2025-05-01", "--horizon", "1")] == ["2025-05-01"]
    assert [row["alerts"] for row in rows(small_lake, "--from", "2025-05-02T10:00:00Z", "--horizon", "1")] == [1]
    assert rows(small_lake, "--chain", "base") == []
    one_by_one = rows(small_lake, "--token", FIRST_TOKEN)
    assert [(row["alertTsUtc"][:16], row["horizonH"]) for row in one_by_one] == [
        (called, hours) for called in ("2025-05-01T12:00", "2025-05-02T18:30") for hours in HORIZONS_H
    ]
    assert rows(small_lake, "--token", f"solana:{SECOND_TOKEN}", "--horizon", "4")[0]["spannedMinutes"] == 240
    assert rows(small_lake, "--token", f"base:{SECOND_TOKEN}") == []


def test_the_worst_alerts_come_worst_first(small_lake: SmallLake) -> None:
    found = rows(small_lake, "--worst", "2", "--horizon", "48")
    assert [row["spannedMinutes"] for row in found] == [2880 - MISSING_OF_LAST, 2880 - MISSING_OF_SECOND]
    assert [row["verdict"] for row in found] == ["poor", "partial"]
    shown = small_lake.call("coverage", "show", "--worst", "1", "--horizon", "48").stdout
    assert f"{2880 - MISSING_OF_LAST:,} of 2,880" in shown
    assert {row["horizonH"] for row in rows(small_lake, "--worst", "9")} == {24}


def test_other_thresholds_judge_the_same_minutes_anew(small_lake: SmallLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lenient = small_lake.json("coverage", "show", "--horizon", "48", "--good", "0.6", "--partial", "0.5")
    assert [row["good"] for row in lenient["rows"]] == [1, 2]
    assert lenient["thresholds"] == {"good": 0.6, "partial": 0.5}
    monkeypatch.setenv("QUANTLAB_COVERAGE_GOOD", "0.81")
    assert [row["good"] for row in rows(small_lake, "--horizon", "48")] == [1, 1]
    refused = small_lake.call("coverage", "show", "--good", "0.5")
    assert (refused.exit_code, "need 0 < partial <= good <= 1" in refused.stderr) == (1, True)


def test_csv_has_every_field_also_where_all_are_empty(small_lake: SmallLake, empty: Path) -> None:
    full = csv.DictReader(io.StringIO(small_lake.call("coverage", "show", "--format", "csv").stdout))
    assert len(list(full)) == 2 * len(HORIZONS_H)
    nothing = csv.DictReader(io.StringIO(call_quantlab("coverage", "show", "--format", "csv", home=empty).stdout))
    assert nothing.fieldnames == full.fieldnames
    assert list(nothing) == []


@pytest.mark.parametrize("command", [("coverage", "show"), ("ohlcv", "gaps"), ("ohlcv", "gaps", "--fetch")])
def test_an_empty_lake_is_no_error(empty: Path, command: tuple[str, ...]) -> None:
    shown, as_json = call_quantlab(*command, home=empty), call_quantlab(*command, "--format", "json", home=empty)
    assert (shown.exit_code, as_json.exit_code) == (0, 0), shown.output
    assert "coverage was not measured yet" in shown.stdout or "nothing to ask for again" in shown.stdout
    assert json.loads(as_json.stdout)


def test_no_lake_is_an_error_of_one_line(tmp_path: Path) -> None:
    for command in (("coverage", "show"), ("ohlcv", "gaps")):
        result = call_quantlab(*command, home=tmp_path / "nowhere")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert list(tmp_path.iterdir()) == []


def test_the_worklist_names_slices_most_alerts_first(small_lake: SmallLake) -> None:
    document = small_lake.json("ohlcv", "gaps")
    assert (document["dueCount"], document["givenUpCount"], document["waitingCount"]) == (2, 0, 0)
    first, second = document["slices"]
    assert (first["token"], first["missingMinutes"], second["missingMinutes"]) == (
        FIRST_TOKEN,
        MISSING_OF_LAST,
        MISSING_OF_SECOND,
    )
    assert (first["day"], first["alerts"], first["reason"], first["isGivenUp"]) == (
        "2025-05-02", 1, "partly_answered", False,
    )  # fmt: skip
    shown = small_lake.call("ohlcv", "gaps", "--limit", "1")
    assert "answered in part" in shown.stdout
    assert "18 h 31 min" in shown.stdout
    assert "9 h 1 min" not in shown.stdout
    assert "2 slices of 1 day to ask for again; --fetch does it" in shown.stdout
    assert "the list is cut at 1; --limit shows more" in shown.stderr


def test_asking_again_in_vain_is_counted_and_given_up(lake: SmallLake) -> None:
    before = {one["token"]: one["attempts"] for one in lake.json("ohlcv", "gaps")["slices"]}
    fetched = lake.json("ohlcv", "gaps", "--fetch")
    missing = MISSING_OF_LAST + MISSING_OF_SECOND
    assert fetched == {
        "slices": 2, "days": ["2025-05-02"], "complete": 0,
        "missingMinutesBefore": missing, "missingMinutesNow": missing,
    }  # fmt: skip
    after = {one["token"]: one["attempts"] for one in lake.json("ohlcv", "gaps", "--all")["slices"]}
    assert after == {token: attempts + 1 for token, attempts in before.items()}
    limit = str(min(after.values()))
    given_up = lake.json("ohlcv", "gaps", "--attempts", limit)
    assert (given_up["dueCount"], given_up["givenUpCount"], given_up["slices"]) == (0, 2, [])
    assert (
        "2 slices given up after asking in vain; --all lists them"
        in lake.call("ohlcv", "gaps", "--attempts", limit).stdout
    )
    assert [one["isGivenUp"] for one in lake.json("ohlcv", "gaps", "--attempts", limit, "--all")["slices"]] == [
        True
    ] * 2


def test_the_groups_say_what_they_are_for() -> None:
    help_text = call_quantlab("coverage", "show", "--help").stdout
    assert "Silence is data, and never counts against an alert." in " ".join(help_text.split())
    assert "coverage" in cli.commands
