"""Import of candle files: what is read, what is quarantined, what is refused with a remedy."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA, CANDLES_QUARANTINE
from quantlab_core.errors import CandleFileError, NotFoundError
from quantlab_resources.candles.files import columnar_rows, delimited_rows
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.candle_file import CandleFile, read_candle_file

SAMPLES = Path(__file__).parents[5] / "shared" / "data" / "ohlcv"
AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
MINT = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump"
EVM = "0x4200000000000000000000000000000000000001"
SOLANA_TOKEN = CandleFileDeclaration(token=MINT, chain="solana")
HEADER = "ts,open,high,low,close,volume"
NEWEST_FIRST = f"{HEADER}\n1746132600,2,4,1,3,7\n1746132540,2,4,1,3,6.5\n1746132480,2,4,1,3,\n"


def read(
    path: Path, declaration: CandleFileDeclaration = SOLANA_TOKEN, as_of: datetime = AS_OF, **more: Any
) -> CandleFile:
    return read_candle_file(path, dataclasses.replace(declaration, **more), as_of=as_of)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "candles.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_newest_first_file_is_read_in_order_with_its_declaration(tmp_path: Path) -> None:
    file = read(written(tmp_path, NEWEST_FIRST))
    assert file.candles.schema.remove_metadata().equals(CANDLE_SCHEMA)
    assert [(row["ts"].minute, row["volume"]) for row in file.candles.to_pylist()] == [(48, None), (49, 6.5), (50, 7.0)]
    assert attributes_of(file.candles) == {
        "resolution": "1m", "source": "file", "source_spans": "[]", "price_unit": "usd", "volume_unit": "usd",
    }  # fmt: skip
    assert (file.report.rows, file.report.valid, file.report.tokens) == (3, 3, (f"solana:{MINT}",))
    assert (file.report.time_form, file.report.first_ts) == ("seconds", datetime(2025, 5, 1, 20, 48, tzinfo=UTC))
    assert file.quarantine.num_rows == 0


@pytest.mark.parametrize(
    "header", ["ts,o,h,l,c,v", "Timestamp,Open,High,Low,Close,Volume", " Open Time , OPEN,high,low,close,vol"]
)
def test_columns_are_known_by_many_names(tmp_path: Path, header: str) -> None:
    assert read(written(tmp_path, NEWEST_FIRST.replace(HEADER, header))).report.valid == 3


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_do_not_matter(tmp_path: Path) -> None:
    text = "\r\n" + NEWEST_FIRST.replace("\n", "\r\n") + "\r\n"
    assert read(written(tmp_path, b"\xef\xbb\xbf" + text.lstrip().encode())).report.valid == 3
    assert read(written(tmp_path, text.replace("7\r\n", "7\r\n\r\n"))).report.valid == 3


def test_a_file_of_many_tokens_names_them_itself(tmp_path: Path) -> None:
    rows = [f"{MINT},sol", f"{EVM.upper().replace('X', 'x')},Base", f"{MINT.lower()},solana", f"{EVM},solana"]
    text = "mint,chain,ts,open,high,low,close\n" + "".join(f"{row},1746132480,2,4,1,3\n" for row in rows)
    file = read(written(tmp_path, text), CandleFileDeclaration())
    assert file.report.tokens == (f"base:{EVM}", f"solana:{MINT}")
    rejected = file.quarantine.to_pylist()
    assert [(row["row_number"], row["rule_id"], row["token_address"]) for row in rejected] == [
        (3, "token_invalid", None),
        (4, "token_invalid", None),
    ]
    assert json.loads(rejected[0]["payload"])["mint"] == MINT.lower()


@pytest.mark.parametrize(
    ("declaration", "missing"),
    [
        (CandleFileDeclaration(), "token or chain; declare --token and --chain"),
        (CandleFileDeclaration(token=MINT), "chain; declare --chain"),
        (CandleFileDeclaration(chain="solana"), "token; declare --token"),
    ],
)
def test_a_file_that_names_no_token_needs_it_declared(
    tmp_path: Path, declaration: CandleFileDeclaration, missing: str
) -> None:
    with pytest.raises(CandleFileError, match=missing):
        read(written(tmp_path, NEWEST_FIRST), declaration)


def with_columns(name: str, value: str) -> str:
    head, *rows = NEWEST_FIRST.strip().split("\n")
    return "\n".join([f"{head},{name}", *(f"{row},{value}" for row in rows)]) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            with_columns("mint", "So11111111111111111111111111111111111111112"),
            r"names the token So11.*leave out --token",
        ),
        (with_columns("mint", MINT) + f"1746132660,2,4,1,3,1,{EVM}\n", "names 2 tokens itself; leave out --token"),
        (with_columns("chain", "base"), "names base, not solana; leave out --chain"),
    ],
)
def test_a_declaration_that_the_file_contradicts_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CandleFileError, match=message):
        read(written(tmp_path, text))


@pytest.mark.parametrize(
    "text", [with_columns("token", "BONK"), with_columns("mint", MINT), with_columns("chain", "SOL")]
)
def test_a_column_that_agrees_or_holds_a_ticker_only_is_no_contradiction(tmp_path: Path, text: str) -> None:
    assert read(written(tmp_path, text)).report.tokens == (f"solana:{MINT}",)


def test_a_declared_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match=r"--token cannot be used: .* is not a Solana address"):
        read(written(tmp_path, NEWEST_FIRST), CandleFileDeclaration("BONK", "solana"))


def test_every_bad_row_is_quarantined_as_it_stood_in_the_file(tmp_path: Path) -> None:
    text = (
        f"{HEADER}\n"
        "1746132480,2,4,1,3,7\n"
        "1746132540,2,4,1\n"
        "soon,2,4,1,3,7\n"
        '1746132600,2,"4,000",1,3,7\n'
        "1746132660,2,4,5,3,7\n"
        "1746132660,0,4,1,3,7\n"
        "1746132480,2,4,1,3,9\n"
        "1746132480,2,4,1,3,9\n"
        "1746132720,NaN,NaN,NaN,NaN,NaN\n"
    )
    file = read(written(tmp_path, text))
    report, rejected = file.report, file.quarantine.to_pylist()
    assert file.quarantine.schema.equals(CANDLES_QUARANTINE.schema)
    assert [(row["row_number"], row["rule_id"]) for row in rejected] == [
        (1, "conflicting_duplicate"),
        (2, "row_malformed"),
        (3, "time_unreadable"),
        (4, "number_unreadable"),
        (5, "high_below_low"),
        (6, "price_not_positive"),
    ]
    assert (report.rows, report.valid, report.rejected, report.equal_duplicates, report.empty_minutes) == (
        9,
        1,
        6,
        1,
        1,
    )
    assert report.rejected_by_rule["number_unreadable"] == 1
    assert json.loads(rejected[1]["payload"]) == "1746132540,2,4,1"
    assert json.loads(rejected[3]["payload"])["high"] == "4,000"
    assert rejected[3]["reason"] == "high '4,000' is not a number"
    assert rejected[4]["ts"] == datetime(2025, 5, 1, 20, 51, tzinfo=UTC)
    assert {row["rule_version"] for row in rejected} == {1}
    assert file.candles["volume"].to_pylist() == [9.0]


def test_the_candle_that_was_open_when_the_file_was_fetched_is_dropped(tmp_path: Path) -> None:
    report = read(written(tmp_path, NEWEST_FIRST), as_of=datetime(2025, 5, 1, 20, 50, 30, tzinfo=UTC)).report
    assert (report.valid, report.open_candles) == (2, 1)


def test_a_declared_span_is_kept_and_must_hold_every_candle(tmp_path: Path) -> None:
    path = written(tmp_path, NEWEST_FIRST)
    start, end = datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 2, tzinfo=UTC)
    spans = attributes_of(read(path, span_from=start, span_to=end).candles)["source_spans"]
    assert spans == '[["2025-05-01T00:00:00Z","2025-05-02T00:00:00Z"]]'
    read(path, span_from=start, span_to=datetime(2025, 5, 1, 20, 51, tzinfo=UTC))
    with pytest.raises(CandleFileError, match="beyond the declared span; widen --from and --to"):
        read(path, span_from=start, span_to=datetime(2025, 5, 1, 20, 50, 59, tzinfo=UTC))
    with pytest.raises(CandleFileError, match="declare --from and --to, or neither"):
        read(path, span_from=start)
    with pytest.raises(CandleFileError, match="must run forward and end by"):
        read(path, span_from=start, span_to=datetime(2026, 5, 1, tzinfo=UTC))
    with pytest.raises(CandleFileError, match="need a zone"):
        read(path, span_from=start.replace(tzinfo=None), span_to=end)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (HEADER.encode(), "a header and no rows"),
        (b"1746132480,2,4,1,3,7\n", "first line holds numbers; add a header"),
        (b"open,high,low,close\n1,1,1,1\n", "no time column among 'open', 'high'"),
        (b"ts,open,high\n1746132480,2,4\n", "no column for low, close"),
        (b"ts,ts,open,high,low,close\n", "two columns are named 'ts'"),
        (b"TS,ts,open,high,low,close\n1,2,3,4,5,6\n", "two columns are named 'ts'"),
        (b"ts;open;high;low;close\n", "not separated by commas"),
        (b'[[1746132480,"2"]]', "looks like JSON"),
        (NEWEST_FIRST.encode("utf-16"), "neither Parquet nor CSV in UTF-8"),
        (NEWEST_FIRST.replace("close,", "cl\xf6se,").encode("latin-1"), "neither Parquet nor CSV in UTF-8"),
        (HEADER.encode() + b"\n1,2,3,4,5,6" * 20_000 + b"\n\xf6,2,3,4,5,6\n", "cannot be read as CSV"),
        (HEADER.encode() + b"\n1,2,3\n", "no readable rows"),
        (b"PAR1 and nothing more", "damaged Parquet file"),
        (b"chain,token,time\nsol,x,20:48\n", "no date and no zone.*no column for open, high, low, close"),
    ],
)
def test_what_cannot_be_read_without_guessing_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(CandleFileError, match=message) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"none\.csv: candle file not found"):
        read(tmp_path / "none.csv")


@pytest.mark.parametrize(("name", "value"), [("resolution", "2m"), ("price_unit", "eur"), ("volume_unit", "lots")])
def test_an_unknown_declaration_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(CandleFileError, match=f"--{name.replace('_', '-')} '{value}' is not known"):
        read(written(tmp_path, NEWEST_FIRST), **{name: value})


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    from_csv = read(written(tmp_path, NEWEST_FIRST))
    stamps = pa.array([1746132600, 1746132540, 1746132480])
    columns = {
        "open": [2, 2, 2],
        "high": [4.0, 4.0, 4.0],
        "low": [1, 1, 1],
        "close": [3, 3, 3],
        "volume": [7, 6.5, float("nan")],
    }
    for times in (stamps, stamps.cast(pa.timestamp("s", tz="UTC")), stamps.cast(pa.float64())):
        path = tmp_path / "candles.parquet"
        pq.write_table(pa.table({"ts": times, **columns}), path, row_group_size=2)
        assert read(path).candles.equals(from_csv.candles, check_metadata=True)


def test_normal_form_written_as_parquet_is_read_back_unchanged(tmp_path: Path) -> None:
    candles = read(written(tmp_path, NEWEST_FIRST)).candles
    path = tmp_path / "candles.parquet"
    pq.write_table(candles, path)
    assert read(path, CandleFileDeclaration()).candles.equals(candles, check_metadata=True)


def test_files_beyond_the_limits_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv_path, parquet_path = written(tmp_path, NEWEST_FIRST), tmp_path / "candles.parquet"
    monkeypatch.setattr(delimited_rows, "MAX_TEXT_BYTES", len(NEWEST_FIRST) - 1)
    with pytest.raises(CandleFileError, match="more than one CSV import takes"):
        read(csv_path)
    pq.write_table(pa.table({"ts": pa.repeat(1746132480, 1000)}), parquet_path)
    monkeypatch.setattr(columnar_rows, "MAX_CELLS", 999)
    with pytest.raises(CandleFileError, match=r"1,000 cells .* are more than one import takes"):
        read(parquet_path)


CELL = st.sampled_from(["1", "2", "3", "4", "0", "-1", "", "NaN", "inf", "x", "1e400", '"a,b"'])
LINE = st.one_of(
    st.builds(
        lambda number, cells: ",".join([str(1746132480 + 60 * number), *cells]),
        st.integers(0, 8),
        st.lists(CELL, min_size=5, max_size=5),
    ),
    st.builds(",".join, st.lists(CELL, min_size=2, max_size=7)),
)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(lines=st.lists(LINE, max_size=25))
def test_no_row_is_lost_silently(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    text = "\n".join([HEADER, "1746132480,2,4,1,3,7", *lines]) + "\n"
    file = read(written(tmp_path_factory.mktemp("law"), text), as_of=datetime(2025, 5, 1, 20, 53, 30, tzinfo=UTC))
    report = file.report
    assert report.rows == len(lines) + 1
    assert (
        report.rows
        == report.valid + report.rejected + report.equal_duplicates + report.open_candles + report.empty_minutes
    )
    assert (file.candles.num_rows, file.quarantine.num_rows) == (report.valid, report.rejected)
    numbers = file.quarantine["row_number"].to_pylist()
    assert numbers == sorted(set(numbers))
    assert all(1 <= number <= report.rows for number in numbers)


def sample(name: str) -> Path:
    if not SAMPLES.is_dir():
        pytest.skip("the shared samples are not beside this checkout")
    return SAMPLES / name


@pytest.mark.parametrize(
    ("name", "rows", "first", "last"),
    [
        ("SOL_39WbVp_20251002", 162, "19:17", "22:36"),
        ("SOL_39WbVp_20251003", 136, "19:17", "22:04"),
        ("ETH_0x4250_20251002", 208, "15:34", "22:37"),
        ("ETH_0x4250_20251003", 200, "15:35", "21:56"),
        ("BNB_0x73b8_20251002", 147, "20:10", "22:37"),
        ("BNB_0x73b8_20251003", 116, "20:10", "22:05"),
    ],
)
def test_real_newest_first_files_import_whole(name: str, rows: int, first: str, last: str) -> None:
    report = read(sample(f"geckoterminal_1m_dex/{name}.csv")).report
    assert (report.rows, report.valid, report.rejected) == (rows, rows, 0)
    assert report.first_ts is not None
    assert report.last_ts is not None
    assert (f"{report.first_ts:%H:%M}", f"{report.last_ts:%H:%M}") == (first, last)


def test_a_real_call_list_is_refused_for_its_times() -> None:
    with pytest.raises(CandleFileError, match=r"'20:48' in row 1 has no date and no zone.*no column for open"):
        read(sample("geckoterminal_1m_dex/signals.csv"), CandleFileDeclaration())


def test_a_real_file_of_two_intervals_is_refused_either_way() -> None:
    path = sample("upstream_excerpts/quantbot_solana_mixed_5m_then_1m_nan_volume.csv")
    with pytest.raises(CandleFileError, match="12 rows in a row are exactly 5m apart"):
        read(path)
    with pytest.raises(CandleFileError, match="13 rows are not on the grid of 5m candles"):
        read(path, resolution="5m")


@pytest.mark.parametrize(
    ("name", "declared", "rows"),
    [
        ("bybit_csv/SOLUSDT_5m.csv", {"resolution": "5m"}, 25_920),
        ("bybit_csv/DOGEUSDT_1m.csv", {}, 43_200),
        ("binance_klines/btc-perp-20211231-20220201_1m.csv", {"time_zone": "UTC"}, 45_031),
        ("upstream_excerpts/quantbot_bags_token_ms_datetime_5m.csv", {"resolution": "5m"}, 18),
    ],
)
def test_real_exchange_files_import_whole(name: str, declared: dict[str, Any], rows: int) -> None:
    report = read(sample(name), **declared).report
    assert (report.valid, report.rejected) == (rows, 0)
