"""Bad input: one clear line on stderr, status 1, no traceback, and nothing half-visible in the lake."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quantlab_tests.cli.small_lake import SECOND_TOKEN, SmallLake, call_quantlab, message, write_export

TOKEN = ("--token", SECOND_TOKEN, "--chain", "solana")
HEADING = "ts,open,high,low,close,volume\n"


def refused(lake: SmallLake, *arguments: str | Path) -> str:
    """The line on stderr of a command that must fail without changing the lake."""
    before = lake.artifact_ids()
    result = lake.call(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("error: "), result.stderr
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.output
    assert lake.artifact_ids() == before
    return result.stderr


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not JSON"),
        (b'{"a": 1}', "not a Telegram export"),
        (b'{"name": "x", "type": "private_group", "id": 5, "messages": [{"id": 1, "type": "mess', "byte"),
    ],
)
def test_an_export_that_cannot_be_read(small_lake: SmallLake, tmp_path: Path, content: bytes, reason: str) -> None:
    export = tmp_path / "result.json"
    export.write_bytes(content)
    line = refused(small_lake, "alerts", "ingest", export)
    assert str(export) in line
    assert reason in line


@pytest.mark.usefixtures("plain_environment")
def test_one_bad_export_is_named_and_does_not_stop_the_others(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    good = write_export(tmp_path / "good.json", [message(9, datetime(2025, 5, 3, tzinfo=UTC), SECOND_TOKEN)])
    bad = tmp_path / "bad.json"
    bad.write_text("[", encoding="utf-8")
    result = call_quantlab("alerts", "ingest", bad, good, home=tmp_path / "lake")
    assert result.exit_code == 1
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert str(bad) in error
    assert f"{good}: 1 message\n" in result.stdout
    assert "2025-05-03" in result.stdout


@pytest.mark.parametrize("command", [("alerts", "ingest"), ("ohlcv", "import")])
def test_a_folder_and_a_missing_file(small_lake: SmallLake, tmp_path: Path, command: tuple[str, str]) -> None:
    assert str(tmp_path) in refused(small_lake, *command, tmp_path)
    assert "not found" in refused(small_lake, *command, tmp_path / "missing")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("command", [("alerts", "ingest"), ("ohlcv", "import")])
def test_a_file_that_may_not_be_read(small_lake: SmallLake, tmp_path: Path, command: tuple[str, str]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x", encoding="utf-8")
    secret.chmod(0)
    assert str(secret) in refused(small_lake, *command, secret)


def test_a_day_that_the_graph_does_not_know(small_lake: SmallLake) -> None:
    line = refused(small_lake, "alerts", "ingest", small_lake.export, "--date", "2999-01-01")
    assert "2999-01-01" in line


def test_candles_without_one_valid_row(small_lake: SmallLake, tmp_path: Path) -> None:
    candles = tmp_path / "candles.csv"
    candles.write_text(HEADING + "2025-05-01T00:00:00Z,1,0.5,0.9,1,10\n", encoding="utf-8")
    line = refused(small_lake, "ohlcv", "import", candles, *TOKEN)
    assert "1 high_below_low" in line
    assert "nothing was imported" in line


def test_signals_without_date_or_zone_are_no_candles(small_lake: SmallLake, tmp_path: Path) -> None:
    signals = tmp_path / "signals.csv"
    signals.write_text("time,token,price\n12:30,abc,1\n", encoding="utf-8")
    line = refused(small_lake, "ohlcv", "import", signals, *TOKEN)
    assert "no date and no zone" in line
    assert "no column for open, high, low, close" in line


def test_candles_without_a_token_say_what_to_declare(small_lake: SmallLake, tmp_path: Path) -> None:
    candles = tmp_path / "candles.csv"
    candles.write_text(HEADING + "2025-05-01T00:00:00Z,1,1.5,0.9,1,10\n", encoding="utf-8")
    assert "--token" in refused(small_lake, "ohlcv", "import", candles)


def test_a_span_without_zone_or_with_one_end(small_lake: SmallLake) -> None:
    assert "no time zone" in refused(small_lake, "ohlcv", "import", small_lake.candles, "--from", "2025-05-01T00:00:00")
    assert "both ends" in refused(small_lake, "ohlcv", "import", small_lake.candles, "--from", "2025-05-01")


def test_bad_rows_are_quarantined_with_count_and_reason(tmp_path: Path) -> None:
    candles = tmp_path / "candles.csv"
    rows = [
        "2025-05-01T00:00:00Z,1,0.5,0.9,1,10",
        "2025-05-01T00:01:00Z,1,1.5,0.9,1,10",
        "2025-05-01T00:02:00Z,1,1,1,1,5",
    ]
    candles.write_text(HEADING + "\n".join(rows) + "\n", encoding="utf-8")
    result = call_quantlab("ohlcv", "import", candles, *TOKEN, home=tmp_path / "lake")
    assert result.exit_code == 0, result.output
    assert "quarantined 1 high_below_low (e.g. row 1: high is below low" in result.stdout
    (imported,) = [line.split() for line in result.stdout.splitlines() if line.startswith("candles.csv ")]
    assert imported[1:3] == ["2", "1"]


@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ("name: s\nmax_hold_min: 60\nstop_loss: 1.5\n", "stop_loss must be above 0 and below 1"),
        ("name: s\nmax_hold_min: 60\nstop_steps: [[0.1, 0.5]]\n", "stop_steps"),
        ("name: s\nmax_hold_min: 60\nmax_hold_min: 90\n", "'max_hold_min' is given twice"),
        ("name: s\nmax_hold_min: !!python/object/apply:os.getcwd []\n", "not readable as YAML at line 2"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("- 1\n", "expected a mapping"),
        ("a: [1\n", "not readable as YAML"),
        ("stop_los: 0.1\nmax_hold_min: 60\n", "did you mean 'stop_loss'"),
        ("max_hold_min: 100000\n", "beyond the candles"),
        ("[" * 5_000, ""),
    ],
)
def test_a_strategy_that_is_refused(small_lake: SmallLake, tmp_path: Path, strategy: str, reason: str) -> None:
    file = tmp_path / "strategy.yaml"
    file.write_text(strategy, encoding="utf-8")
    assert reason in refused(small_lake, "experiments", "create", "--name", "x", "--strategy", file)


def test_an_unknown_strategy_names_the_nearest(small_lake: SmallLake) -> None:
    assert "did you mean 'momentum'?" in refused(
        small_lake, "experiments", "create", "--name", "x", "--strategy", "momentun"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--param", "portfolio.stake=fifty"), "stake must be a finite number"),
        (("--param", "portfolo.stake=50"), "did you mean 'portfolio'"),
        (("--alerts", "nope"), "not found"),
        (("--select", "alerts_v1,2020-01-01..2020-01-02"), "there are no alerts"),
        (("--from", "2025-05-03", "--to", "2025-05-01"), "no alert can lie in it"),
        (("--id", "../../evil"), "cannot be a partition key"),
        (("--strategy", "missing.yaml"), "not found"),
    ],
)
def test_an_experiment_that_is_refused(small_lake: SmallLake, arguments: tuple[str, str], reason: str) -> None:
    command = ("experiments", "create", "--name", "x", "--strategy", "momentum", *arguments)
    before = {experiment["experimentId"] for experiment in small_lake.json("experiments", "list")}
    assert reason in refused(small_lake, *command)
    assert {experiment["experimentId"] for experiment in small_lake.json("experiments", "list")} == before


READING_COMMANDS = [
    ("artifacts", "list"),
    ("artifacts", "get", "x"),
    ("artifacts", "find", "--type", "x", "--key", "y"),
    ("artifacts", "lineage", "x"),
    ("artifacts", "downstream", "x"),
    ("experiments", "list"),
    ("experiments", "get", "x"),
    ("experiments", "execute", "x"),
    ("experiments", "create", "--name", "x", "--strategy", "momentum"),
    ("experiments", "find-by-inputs", "--artifacts", "x"),
    ("projections", "list"),
    ("projections", "rebuild", "x"),
    ("projections", "refresh", "x"),
    ("projections", "get", "x"),
    ("projections", "evict", "--max-size", "1"),
    ("projections", "dispose", "x"),
    ("projections", "build", "x", "--alerts", "y"),
    ("lake", "status"),
    ("lake", "verify"),
]


@pytest.mark.parametrize("command", READING_COMMANDS, ids=" ".join)
def test_a_missing_lake_is_named_with_the_remedy_and_never_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    home = tmp_path / "no" / "lake"
    result = call_quantlab(*command, home=home)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: lake not found")
    assert "quantlab lake init" in result.stderr
    assert list(tmp_path.iterdir()) == []
