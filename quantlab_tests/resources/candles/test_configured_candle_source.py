"""Which source QUANTLAB_CANDLES names, through the lab, and what a folder of candle files answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from quantlab_core.candles.candle_source import UNITS_CONTRADICT
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import CandleSourceError, InvalidInputError, NotFoundError
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
from quantlab_resources.candles.clickhouse.clickhouse_config import ClickHouseConfig, read_config
from quantlab_resources.candles.imported_candle_source import ImportedCandleSource
from quantlab_resources.lab import Lab
from quantlab_tests.core.candles.candle_tables import TOKEN, minute
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    FixedClock,
    embedded,
    fill,
    minutes_of,
    request,
    row,
)

HEADER = "token_address,chain,ts,open,high,low,close,volume\n"
OTHER = "So11111111111111111111111111111111111111112"
VARIABLES = ("QUANTLAB_CANDLES", "QUANTLAB_CLICKHOUSE_CONFIG", "QUANTLAB_CLICKHOUSE_PASSWORD")


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def lab_with(monkeypatch: pytest.MonkeyPatch, home: Path, **variables: str) -> Lab:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Lab(home, clock=FixedClock())


def csv(path: Path, *minutes: int, time: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{TOKEN.address},solana,{int(minute(n).timestamp())},2,4,1,3,10\n" for n in minutes]
    path.write_text(HEADER + "".join(lines))
    instant = (time or minute(10_000).timestamp(),) * 2
    os.utime(path, instant)
    return path


def test_without_the_variable_the_imported_files_are_the_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert isinstance(lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=" ").candle_source, ImportedCandleSource)


def test_an_embedded_clickhouse_is_named_by_its_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with embedded(tmp_path / "engine") as client:
        fill(client, [row(1)], table="quantbot.my_candles")
    config = tmp_path / "clickhouse.yaml"
    config.write_text("table: my_candles\nvolume_unit: token\nsettle_seconds: 0\n")
    url = f"chdb://{tmp_path / 'engine'}"
    lab = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=url, QUANTLAB_CLICKHOUSE_CONFIG=str(config))
    answer = lab.candle_source.fetch(request())
    assert (minutes_of(answer.candles), answer.volume_unit) == ([1], "token")
    assert lab.candle_source.holds_any()


def test_a_server_is_not_asked_before_a_question_comes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lab = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES="clickhouse://me@no-such-host.invalid/db")
    assert isinstance(lab.candle_source, ClickHouseCandleSource)


@pytest.mark.parametrize("named", ["postgres://h/db", "clickhouse://", "chdb://x"])
def test_what_names_no_source_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str) -> None:
    with pytest.raises(InvalidInputError, match="QUANTLAB_CANDLES"):
        _ = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=named).candle_source


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tabel: x\n", "tabel: Extra inputs"),
        ("columns: {open: ''}\n", "columns.open: String should have at least 1"),
        ('columns: {open: "a\\nb"}\n', "columns.open: String should match"),
        ("settle_seconds: soon\n", "settle_seconds: Input should be"),
        ("price_unit: eur\n", "price_unit: Input should be"),
        ("attempts: 0\n", "attempts: Input should be"),
        ("[1]\n", "the file: Input should be"),
        ("a: [\n", "not readable as YAML"),
    ],
)
def test_a_configuration_that_is_wrong_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, told: str
) -> None:
    config = tmp_path / "clickhouse.yaml"
    config.write_text(text)
    lab = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES="clickhouse://h/db", QUANTLAB_CLICKHOUSE_CONFIG=str(config))
    with pytest.raises(InvalidInputError) as refused:
        _ = lab.candle_source
    assert f"{config}: {told}" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_configuration_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    named = {"QUANTLAB_CANDLES": "clickhouse://h/db", "QUANTLAB_CLICKHOUSE_CONFIG": str(tmp_path / "gone.yaml")}
    with pytest.raises(NotFoundError, match=r"gone\.yaml"):
        _ = lab_with(monkeypatch, tmp_path, **named).candle_source


def test_the_configuration_in_the_docs_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "candles.md").read_text()
    (shown,) = [block for block in page.split("```") if block.startswith("yaml\ntable: my_candles")]
    path = tmp_path / "clickhouse.yaml"
    path.write_text(shown.removeprefix("yaml"))
    config = read_config(path)
    told = ("pair_address", "token", "/etc/ssl/own-ca.pem")
    assert (config.columns.pool, config.volume_unit, config.ca_file) == told
    default = ClickHouseConfig()
    for name in (
        "price_unit",
        "silence",
        "settle_seconds",
        "connect_timeout_seconds",
        "read_timeout_seconds",
        "attempts",
    ):
        assert getattr(config, name) == getattr(default, name), name
    assert config.max_answer_mib == default.max_answer_mib


def test_a_folder_answers_from_every_file_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "candles"
    csv(folder / "a.csv", 1, 3)
    csv(folder / "deeper" / "b.csv", 2)
    (folder / ".hidden.csv").write_text("no candles")
    (folder / "notes.txt").write_text("no candles either")
    source = lab_with(monkeypatch, tmp_path / "lake", QUANTLAB_CANDLES=str(folder)).candle_source
    answer = source.fetch(request())
    assert minutes_of(answer.candles) == [1, 2, 3]
    assert (answer.spans, answer.source) == ((SourceSpan(minute(1), minute(4)),), "folder")
    assert (answer.price_unit, answer.input_artifact_ids) == ("usd", ())
    csv(folder / "c.csv", 7)
    csv(folder / "a.csv", 1, time=minute(20_000).timestamp())
    assert minutes_of(source.fetch(request()).candles) == [1, 2, 7]
    assert source.holds_any()


def test_the_candle_that_was_open_when_a_file_was_written_is_no_candle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    csv(tmp_path / "candles" / "a.csv", 1, 2, time=minute(2).timestamp() + 30)
    source = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "candles")).candle_source
    assert minutes_of(source.fetch(request()).candles) == [1]


def test_rows_of_a_folders_file_that_are_no_candles_go_with_the_answer_for_their_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A bad minute is no silent one. A row without a token could be anybody's, one without a time of any."""
    path = csv(tmp_path / "candles" / "a.csv", 1, 2, 4, 5, 200)
    for number, token, values in (
        (3, TOKEN.address, "2,1,4,3,10"), (201, TOKEN.address, "0,4,1,3,10"), (6, "nobody", "2,4,1,3,10"),
        (7, OTHER, "2,4,1,3,-1"),
    ):  # fmt: skip
        with path.open("a") as file:
            file.write(f"{token},solana,{int(minute(number).timestamp())},{values}\n")
    with path.open("a") as file:
        file.write(f"{TOKEN.address},solana,,2,4,1,3,10\n")
    os.utime(path, (minute(10_000).timestamp(),) * 2)
    source = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "candles")).candle_source
    of_token, of_other, coarse = source.fetch_many(
        [request(), request(Token("solana", OTHER)), request(resolution="5m")]
    )
    assert minutes_of(of_token.candles) == [1, 2, 4, 5]
    assert sorted((one.rule_id, one.ts) for one in of_token.rejections if one.ts) == [
        ("high_below_low", minute(3)), ("token_invalid", minute(6)),
    ]  # fmt: skip
    assert [one.rule_id for one in of_token.rejections if one.ts is None] == ["time_unreadable"]
    assert {(one.token_address, one.chain) for one in of_token.rejections} == {(TOKEN.address, "solana")}
    assert '"high": 1' in of_token.rejections[0].payload or '"1"' in of_token.rejections[0].payload
    assert (of_other.is_refused, [one.rule_id for one in of_other.rejections]) == (True, ["volume_negative"])
    assert coarse.is_unknown
    assert source.fetch(request()).rejections == of_token.rejections


def test_a_file_that_is_older_than_its_rows_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = csv(tmp_path / "candles" / "a.csv", 1, 2, 3, time=minute(-5_000).timestamp())
    source = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "candles")).candle_source
    told = r"a\.csv: 3 of its rows are from after .*the last from 2025-05-01 00:03.*`touch` the file.*--fetched-at"
    for _ in range(2):
        with pytest.raises(CandleSourceError, match=told):
            source.fetch(request())
    os.utime(path, (minute(10_000).timestamp(),) * 2)
    assert minutes_of(source.fetch(request()).candles) == [1, 2, 3]


def test_a_row_of_a_folders_file_that_lies_in_the_future_is_rejected_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    csv(tmp_path / "candles" / "a.csv", 1, 2, 90_000)
    source = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "candles")).candle_source
    answer = source.fetch(request(end=100_000))
    assert (minutes_of(answer.candles), [one.rule_id for one in answer.rejections]) == ([1, 2], ["time_in_future"])


def test_files_of_a_folder_that_state_other_units_are_refused_for_their_token_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    csv(tmp_path / "candles" / "one" / "a.csv", 1)
    other = tmp_path / "candles" / "other" / "a.jsonl"
    other.parent.mkdir()
    start = int(minute(0).timestamp())
    swaps = [{"ts": start + 60 * n, "side": "buy", "sol": 1.0, "tokens": 2.0, "price": 0.5} for n in (2, 3)]
    other.write_text(json.dumps({"mint": TOKEN.address, "swaps": swaps}) + "\n")
    os.utime(other, (minute(10_000).timestamp(),) * 2)
    source = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "candles")).candle_source
    refused, fine = source.fetch_many([request(), request(end=2)])
    (rejection,) = refused.rejections
    assert (refused.is_refused, rejection.rule_id, rejection.rule_version) == (True, UNITS_CONTRADICT, 1)
    assert all(name in rejection.reason for name in ("one/a.csv", "other/a.jsonl"))
    assert minutes_of(fine.candles) == [1]


def test_a_file_of_a_folder_that_says_too_little_is_named_and_not_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    csv(tmp_path / "candles" / "a.csv", 1)
    (tmp_path / "candles" / "b.csv").write_text("ts,open,high,low,close\n1746132600,2,4,1,3\n")
    source = lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "candles")).candle_source
    with pytest.raises(CandleSourceError, match=r"b\.csv: the file does not name its token or chain.*ohlcv import"):
        source.fetch(request())


def test_an_empty_folder_holds_nothing_and_a_missing_one_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert not lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "empty")).candle_source.holds_any()
    with pytest.raises(CandleSourceError, match="no such folder; check QUANTLAB_CANDLES"):
        lab_with(monkeypatch, tmp_path, QUANTLAB_CANDLES=str(tmp_path / "gone")).candle_source.holds_any()
