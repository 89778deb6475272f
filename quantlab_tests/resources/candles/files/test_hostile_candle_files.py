"""Candle files that are damaged, huge, deep or of no known kind: one line that says so, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.errors import CandleFileError, NotFoundError
from quantlab_resources.candles.files import collected_rows, columnar_rows, delimited_rows, json_stream
from quantlab_resources.candles.files.formats.candle_formats import FORMATS
from quantlab_resources.candles.files.raw_rows import file_start
from quantlab_tests.resources.candles.files.candle_files import MINT, OF_TOKEN, START, UNITS, put, read

ROW = [START * 1000, 2, 4, 1, 3, 5]
DECLARED: dict[str, Any] = {"resolution": "1m", **OF_TOKEN, **UNITS}


def refusal(path: Path, source: str = "auto", **declared: Any) -> str:
    with pytest.raises(CandleFileError) as refused:
        read(path, source=source, **{**DECLARED, **declared})
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[1, 2, 3, 4, 5, 6], [1, 2", "damaged JSON, or cut off, before byte 26"),
        ("[[1, 2, 3, 4, 5, NaN]]", "damaged JSON"),
        ("[[1, 2, 3, 4, 5, 6]] and more", "damaged JSON"),
        ('[["\xff"]]', "neither a JSON array nor a feather file"),
        ("[[" + "9" * 5_000 + ", 2, 3, 4, 5, 6]]", "damaged JSON"),
        ("[[" + "9" * 50 + ", 2, 3, 4, 5, 6]]", "no number of its time column is an epoch stamp"),
        ("[" * 100_000, "nested more than 12 levels deep"),
        ("[[" + '{"a":' * 100_000, "nested more than 12 levels deep"),
        ("[]", "there is no candle in it"),
        ("[[]]", "the file has no readable rows"),
        ("[7]", "the file has no readable rows"),
        ("{}", "neither a JSON array nor a feather file"),
        ("", "damaged JSON"),
    ],
)
def test_json_that_is_damaged_or_of_no_use_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert refusal(put(tmp_path, text.encode("latin-1")), "ccxt").startswith(message)


def test_a_deep_value_inside_a_row_is_refused_before_it_is_built(tmp_path: Path) -> None:
    deep = '{"data": {"items": [{"unixTime": 1, "o": ' + "[" * 50_000 + "]" * 50_000 + "}]}}"
    assert "nested more than 12" in refusal(put(tmp_path, deep), "birdeye")


@pytest.mark.parametrize("source", ["birdeye", "geckoterminal", "binance", "bybit", "ccxt"])
def test_json_beyond_its_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setattr(json_stream, "MAX_JSON_BYTES", 10)
    text = "[[not json" if source in {"binance", "ccxt"} else '{"not json'
    assert "more than one JSON import takes" in refusal(put(tmp_path, text + " " * 10), source)


def test_text_and_feather_beyond_their_limits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = put(tmp_path, json.dumps({"token_address": MINT, "timestamp": START, "interval": 60}) + "\n")
    monkeypatch.setattr("quantlab_resources.candles.files.formats.clickhouse_export.MAX_TEXT_BYTES", 10)
    monkeypatch.setattr(delimited_rows, "MAX_TEXT_BYTES", 10)
    assert "more than one import takes" in refusal(lines, "clickhouse")
    assert "more than one CSV import takes" in refusal(put(tmp_path, "1,2,3,4,5,6,7,8,9\n"), "clickhouse")
    path = tmp_path / "candles.feather"
    pyarrow.feather.write_feather(pa.table({name: [1] * 9 for name in ("date", "open")}), path, chunksize=3)
    monkeypatch.setattr(columnar_rows, "MAX_CELLS", 17)
    assert refusal(path, "freqtrade").startswith("18 cells or")
    monkeypatch.setattr(columnar_rows, "MAX_ARROW_BYTES", 10)
    assert "more than one Arrow import takes" in refusal(path, "freqtrade")


LONG = "x" * 1_000_000
REPEATED = pa.array([LONG] * 20)


@pytest.mark.parametrize(
    ("column", "options"),
    [
        (REPEATED, {}),
        (REPEATED.cast(pa.large_binary()), {}),
        (REPEATED.cast(pa.string_view()), {}),
        (REPEATED.dictionary_encode(), {}),
        ([LONG + str(n) for n in range(20)], {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}),
        (pa.array([LONG.encode()] * 20, pa.binary(len(LONG))), {}),
    ],
    ids=["dictionary", "large", "view", "category", "delta", "fixed"],
)
def test_parquet_that_unfolds_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: Any, options: dict[str, Any]
) -> None:
    path = tmp_path / "bomb.parquet"
    pyarrow.parquet.write_table(pa.table({"pad": column}), path, **options)
    assert path.stat().st_size < 1_000_000
    monkeypatch.setattr(columnar_rows, "MAX_UNPACKED_BYTES", 10_000_000)
    assert "bytes unpacked are more than one import takes" in refusal(path, "flat")


@pytest.mark.parametrize(
    "column",
    [REPEATED.dictionary_encode(), pa.array([LONG], pa.string_view()).dictionary_encode().take(pa.array([0] * 20))],
    ids=["category", "category of views"],
)
def test_feather_that_unfolds_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, column: Any
) -> None:
    path = tmp_path / "bomb.feather"
    pyarrow.feather.write_feather(pa.table({"pad": column}), path)
    monkeypatch.setattr(columnar_rows, "MAX_UNPACKED_BYTES", 10_000_000)
    assert "bytes unpacked are more than one import takes" in refusal(path, "freqtrade")


@pytest.mark.parametrize("column", [[[1]], [{"a": 1}]])
def test_columns_that_hold_lists_or_structures_are_refused(tmp_path: Path, column: Any) -> None:
    path, table = tmp_path / "nested", pa.table({"ts": [1], "pad": column})
    pyarrow.parquet.write_table(table, path)
    assert refusal(path, "flat").startswith("its column 'pad' holds lists or structures")
    pyarrow.feather.write_feather(table, path)
    assert refusal(path, "freqtrade").startswith("its column 'pad' holds lists or structures")


@pytest.mark.parametrize("encoding", ["PLAIN", "RLE_DICTIONARY", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_text_in_parquet_is_read_as_it_is_whatever_its_encoding(tmp_path: Path, encoding: str) -> None:
    values = [None if n % 7 == 0 else f"value {n % 5}" for n in range(70_000)]
    table = pa.table({"a": pa.array(values), "b": pa.array(values, pa.binary()), "n": range(70_000)})
    path = tmp_path / "text.parquet"
    is_packed = encoding == "RLE_DICTIONARY"
    encodings = None if is_packed else {"a": encoding, "b": encoding}
    pyarrow.parquet.write_table(table, path, use_dictionary=is_packed, column_encoding=encodings, row_group_size=50_000)
    assert columnar_rows.read_parquet(file_start(path)).table.equals(table)


def test_rows_under_ever_new_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collected_rows, "MAX_COLUMNS", 8)
    items = [{"unixTime": START, f"name{number}": 1} for number in range(9)]
    assert "more than 8 different names" in refusal(put(tmp_path, {"data": {"items": items}}), "birdeye")


def test_half_a_surrogate_pair_is_text_that_can_be_shown(tmp_path: Path) -> None:
    path = put(tmp_path, f'[[{ROW[0]}, 2, 4, 1, 3, "\\ud83d"], [{ROW[0]}, 2, 4, 1, 3, 5]]')
    quarantine = read(path, source="ccxt", **DECLARED).quarantine
    assert quarantine["rule_id"].to_pylist() == ["number_unreadable"]


@pytest.mark.parametrize("source", FORMATS)
def test_a_missing_file_is_not_found_and_a_folder_is_refused_whatever_the_format(tmp_path: Path, source: str) -> None:
    with pytest.raises(NotFoundError, match="candle file not found"):
        read(tmp_path / "none", source=source, **DECLARED)


def test_an_unknown_format_is_refused_with_those_that_are_known(tmp_path: Path) -> None:
    assert refusal(put(tmp_path, [ROW]), "kraken") == f"--source 'kraken' is not known; use auto, {', '.join(FORMATS)}"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ROW]),
        json.dumps([[START, 1, 4, 2, 3, 5]]),
        json.dumps([{"ts": START, "open": 1}]),
        json.dumps({"result": {"candles": [ROW]}}),
        json.dumps([[*ROW, 1, 2, 3, 4, 5, 6]]),
    ],
)
def test_json_that_could_be_of_several_formats_is_not_guessed(tmp_path: Path, text: str) -> None:
    assert "not certainly of one format" in refusal(put(tmp_path, text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**41) | st.floats(0, 9) | st.sampled_from([MINT, "1m", "x", "2"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=7),
        st.dictionaries(
            st.sampled_from(["data", "items", "unixTime", "o", "c", "type", "ohlcv", "mint", "attributes",
                             "ohlcv_list", "meta", "result", "list", "fetched_at", "timestamp", "success", MINT]),
            inner, max_size=5,
        ),
    ),
    max_leaves=25,
)  # fmt: skip


@settings(deadline=None, max_examples=150, derandomize=True)
@given(value=JSON, source=st.sampled_from([name for name in FORMATS if name != "swaps"]))
def test_any_json_is_read_with_every_row_accounted_for_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, value: Any, source: str
) -> None:
    path = put(tmp_path_factory.getbasetemp(), value, "any.json")
    try:
        report = read(path, source=source, **DECLARED).report
    except CandleFileError:
        assert "\n" not in refusal(path, source)
        return
    assert report.rows == (
        report.valid + report.rejected + report.equal_duplicates + report.open_candles + report.empty_minutes
    )
