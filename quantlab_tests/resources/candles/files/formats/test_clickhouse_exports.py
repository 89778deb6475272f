"""Exports of the earlier system's tables, in every form in which ClickHouse writes them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantlab_core.errors import CandleFileError
from quantlab_tests.resources.candles.files.candle_files import EVM, MINT, START, UNITS, facts_of, put, read

NAMES = ["token_address", "chain", "timestamp", "interval", "open", "high", "low", "close", "volume"]
TYPES = ["String", "String", "DateTime", "UInt32", *["Float64"] * 5]
ROWS: list[list[Any]] = [
    [MINT, "solana", START, 60, 2.0, 4.0, 1.0, 3.0, 10.5],
    [MINT, "solana", START + 60, 60, 3.0, 3.0, 3.0, 3.0, 0.0],
    [EVM, "base", START, 60, 2.0, 4.0, 1.0, 3.0, 1e-7],
]
COLUMNS = {name: [row[at] for row in ROWS] for at, name in enumerate(NAMES)}


def joined(rows: list[list[Any]], delimiter: str, quote: str = "") -> str:
    shown = ([f"{quote}{value}{quote}" if isinstance(value, str) else str(value) for value in row] for row in rows)
    return "".join(delimiter.join(row) + "\n" for row in shown)


TEXTS = {
    "CSVWithNames": joined([NAMES, *ROWS], ",", '"'),
    "CSVWithNamesAndTypes": joined([NAMES, TYPES, *ROWS], ",", '"'),
    "CSV": joined(ROWS, ",", '"'),
    "TabSeparated": joined(ROWS, "\t"),
    "TabSeparatedWithNames": joined([NAMES, *ROWS], "\t"),
    "TabSeparatedWithNamesAndTypes": joined([NAMES, TYPES, *ROWS], "\t"),
    "JSONEachRow": "".join(json.dumps(dict(zip(NAMES, row, strict=True))) + "\n" for row in ROWS),
}


def expected(tmp_path: Path) -> pa.Table:
    return read(put(tmp_path, TEXTS["CSVWithNames"], "expected.csv"), **UNITS).candles


@pytest.mark.parametrize("form", TEXTS)
def test_every_form_of_text_gives_the_same_candles(tmp_path: Path, form: str) -> None:
    file = read(put(tmp_path, TEXTS[form], "export"), source="clickhouse", **UNITS)
    assert file.candles.equals(expected(tmp_path), check_metadata=True)
    assert (file.report.rows, file.report.valid, file.report.tokens) == (3, 3, (f"base:{EVM}", f"solana:{MINT}"))
    assert facts_of(file) == ("1m", "usd", "usd")


@pytest.mark.parametrize("form", [form for form in TEXTS if form not in {"CSV", "TabSeparated"}])
def test_an_export_with_names_is_told_by_content_and_its_units_are_not_assumed(tmp_path: Path, form: str) -> None:
    with pytest.raises(CandleFileError, match="this clickhouse file does not state its units"):
        read(put(tmp_path, TEXTS[form], "export"))


@pytest.mark.parametrize(
    ("times", "addresses"),
    [
        (pa.uint32(), pa.binary()),
        (pa.timestamp("s", tz="UTC"), pa.string()),
        (pa.timestamp("ms", tz="UTC"), pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_parquet_is_read_however_the_server_wrote_its_types(tmp_path: Path, times: Any, addresses: Any) -> None:
    in_seconds = pa.timestamp("s", tz="UTC")
    table = pa.table({
        **COLUMNS,
        "timestamp": pa.array(COLUMNS["timestamp"], pa.int64() if times == pa.uint32() else in_seconds).cast(times),
        "token_address": pa.array(COLUMNS["token_address"], pa.string()).cast(addresses),
        "interval": pa.array(COLUMNS["interval"], pa.uint32()),
    })  # fmt: skip
    path = tmp_path / "export.parquet"
    pq.write_table(table, path)
    assert read(path, **UNITS).candles.equals(expected(tmp_path), check_metadata=True)


def test_times_as_text_are_of_the_servers_zone(tmp_path: Path) -> None:
    text = (
        TEXTS["CSVWithNames"]
        .replace(str(START), '"2025-05-01 22:48:00"')
        .replace(str(START + 60), '"2025-05-01 22:49:00"')
    )
    path = put(tmp_path, text, "export.csv")
    with pytest.raises(CandleFileError, match=r"have no zone.*--time-zone"):
        read(path, **UNITS)
    file = read(path, time_zone="Europe/Berlin", **UNITS)
    assert file.report.first_ts == datetime.fromtimestamp(START, UTC)


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ((60, 300), r"candles of 1m \(row 1\) and 5m \(row 2\); export one interval per file"),
        (("1m", "5m"), r"candles of 1m \(row 1\) and 5m \(row 2\)"),
        ((60, 180), "interval '180' in row 2 is none of"),
    ],
)
def test_rows_of_two_intervals_are_refused(tmp_path: Path, intervals: tuple[Any, Any], message: str) -> None:
    rows = [[*row[:3], interval, *row[4:]] for row, interval in zip(ROWS, intervals, strict=False)]
    with pytest.raises(CandleFileError, match=message):
        read(put(tmp_path, joined([NAMES, *rows], ",", '"'), "export.csv"), **UNITS)


def test_a_declared_resolution_that_the_rows_contradict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match="--resolution 5m is declared, but the clickhouse file states 1m"):
        read(put(tmp_path, TEXTS["JSONEachRow"]), resolution="5m", **UNITS)


def test_quality_then_the_time_of_ingestion_decide_between_rows_of_a_minute(tmp_path: Path) -> None:
    names = [*NAMES, "quality_score", "ingested_at"]
    rows = [
        [*ROWS[0][:8], 70.0, 40, "2025-05-09 00:00:00"],
        [*ROWS[0][:8], 10.0, 90, "2025-05-01 00:00:00"],
        [*ROWS[0][:8], 20.0, 90, "2025-05-02 00:00:00"],
        [*ROWS[0][:8], 99.0, "\\N", "\\N"],
    ]
    file = read(put(tmp_path, joined([names, *rows], ","), "export.csv"), time_zone="UTC", **UNITS)
    assert file.candles["volume"].to_pylist() == [20.0]
    assert [(row["row_number"], row["rule_id"]) for row in file.quarantine.to_pylist()] == [
        (1, "conflicting_duplicate"),
        (2, "conflicting_duplicate"),
        (4, "conflicting_duplicate"),
    ]


def test_a_null_or_a_volume_that_is_no_number_is_unknown(tmp_path: Path) -> None:
    rows = [[*ROWS[0][:8], "nan"], [*ROWS[1][:8], "\\N"]]
    file = read(put(tmp_path, joined(rows, "\t"), "export.tsv"), source="clickhouse", **UNITS)
    assert file.candles["volume"].to_pylist() == [None, None]


def test_lines_that_are_no_rows_are_quarantined_as_they_stand(tmp_path: Path) -> None:
    text = TEXTS["JSONEachRow"] + "\n{broken\n[1, 2]\n" + "[" * 5000 + "\n"
    file = read(put(tmp_path, text), **UNITS)
    assert [(row["row_number"], row["rule_id"]) for row in file.quarantine.to_pylist()] == [
        (4, "row_malformed"), (5, "row_malformed"), (6, "row_malformed"),
    ]  # fmt: skip
    assert json.loads(file.quarantine["payload"][0].as_py()) == "{broken"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "3 columns without names are not token_address"),
        ("", "the file is empty"),
        ('{"a": "' + "x" * 70_000 + '"}\n', "row 1 is longer than 65,536 bytes"),
    ],
)
def test_what_is_no_export_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CandleFileError, match=message):
        read(put(tmp_path, text, "export"), source="clickhouse", **UNITS)
