"""Files of Binance, Bybit, ccxt and freqtrade."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pytest

from quantlab_core.errors import CandleFileError
from quantlab_tests.resources.candles.files.candle_files import OF_TOKEN, START, UNITS, facts_of, minutes_of, put, read

HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore"
)
IN_USD = {**OF_TOKEN, "price_unit": "usd"}


def kline(minute: int, *, unit: int = 1_000, length: int = 60, volume: str = "10", quote: str = "25") -> list[Any]:
    """Prices 1 to 4, so that 10 coins cost between 10 and 40."""
    opened = (START + minute * 60) * unit
    return [opened, "2.0", "4.0", "1.0", "3.0", volume, opened + length * unit - 1, quote, 7, "5.0", "12.0", "0"]


def lines(*klines: list[Any], header: str = "") -> str:
    return "\n".join([*([header] if header else []), *(",".join(map(str, row)) for row in klines)]) + "\n"


@pytest.mark.parametrize("unit", [1_000, 1_000_000])
@pytest.mark.parametrize("header", ["", HEADER])
def test_klines_are_told_by_their_close_time_in_milliseconds_and_microseconds(
    tmp_path: Path, unit: int, header: str
) -> None:
    file = read(put(tmp_path, lines(kline(0, unit=unit), kline(1, unit=unit), header=header), "k.csv"), **IN_USD)
    assert (file.report.source, minutes_of(file), facts_of(file)) == ("binance", [0, 1], ("1m", "usd", "token"))
    assert file.candles["volume"].to_pylist() == [10.0, 10.0]


def test_klines_of_the_api_write_numbers_as_text(tmp_path: Path) -> None:
    from_json = read(put(tmp_path, [kline(0), kline(1)]), **IN_USD)
    from_csv = read(put(tmp_path, lines(kline(0), kline(1)), "k.csv"), **IN_USD)
    assert from_json.candles.equals(from_csv.candles, check_metadata=True)
    assert from_json.report.source == "binance"


def test_the_length_of_a_kline_is_stated_by_its_close(tmp_path: Path) -> None:
    hour = kline(12, length=3600)
    assert facts_of(read(put(tmp_path, [hour]), **IN_USD))[0] == "1h"
    with pytest.raises(CandleFileError, match="--resolution 1m is declared, but the binance file states 1h"):
        read(put(tmp_path, [hour]), resolution="1m", **IN_USD)
    with pytest.raises(CandleFileError, match=r"klines are of 60 s \(row 1\) and 300 s \(row 3\)"):
        read(put(tmp_path, [kline(0), kline(1), kline(2, length=300)]), **IN_USD)
    with pytest.raises(CandleFileError, match="klines are of 180 seconds, which is none of 1m, 5m"):
        read(put(tmp_path, [kline(0, length=180)]), source="binance", **IN_USD)


def test_volume_that_is_no_number_of_coins_has_to_be_declared(tmp_path: Path) -> None:
    """A hundred contracts for 25 would be 0.25 each, below the low of 1."""
    contracts = put(tmp_path, [kline(0), kline(1, volume="100")])
    with pytest.raises(CandleFileError, match="declare --volume-unit"):
        read(contracts, **IN_USD)
    untraded = put(tmp_path, [kline(0, volume="0", quote="0")])
    with pytest.raises(CandleFileError, match="declare --volume-unit"):
        read(untraded, **IN_USD)
    assert facts_of(read(contracts, volume_unit="unknown", **IN_USD))[2] == "unknown"


def test_the_coin_of_the_prices_is_not_in_a_kline(tmp_path: Path) -> None:
    path = put(tmp_path, [kline(0)])
    with pytest.raises(CandleFileError, match="this binance file does not state its units; declare --price-unit"):
        read(path)
    assert facts_of(read(path, **OF_TOKEN, price_unit="btc"))[1] == "btc"


def test_klines_that_mix_milliseconds_and_microseconds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match=r"mixes epoch milliseconds \(row 1\) and microseconds \(row 2\)"):
        read(put(tmp_path, lines(kline(0), kline(1, unit=1_000_000)), "k.csv"), **IN_USD)


def test_a_kline_of_another_length_is_quarantined_under_its_own_row_number(tmp_path: Path) -> None:
    csv = put(tmp_path, lines(kline(0)) + "\n1,2,3\n" + lines(kline(2)), "k.csv")
    assert [(row["row_number"], row["rule_id"]) for row in read(csv, **IN_USD).quarantine.to_pylist()] == [
        (2, "row_malformed")
    ]
    assert json.loads(read(csv, **IN_USD).quarantine["payload"][0].as_py()) == "1,2,3"
    array = read(put(tmp_path, [kline(0), [1, 2, 3], kline(2)]), **IN_USD)
    assert array.quarantine["row_number"].to_pylist() == [2]
    with pytest.raises(CandleFileError, match="has 12 values, the first line has 6"):
        read(put(tmp_path, "a,b,c,d,e,f\n", "k.csv"), source="binance", **IN_USD)


def test_bybit_is_read_when_it_is_named_and_its_answers_prove_their_volume(tmp_path: Path) -> None:
    text = "timestamp,open,high,low,close,volume\n2025-05-01 20:48:00+00:00,2,4,1,3,10\n"
    path = put(tmp_path, text, "b.csv")
    assert minutes_of(read(path, source="bybit", resolution="1m", **OF_TOKEN, **UNITS)) == [0]
    with pytest.raises(CandleFileError, match="this bybit file does not state its units"):
        read(path, source="bybit", **OF_TOKEN)
    rows = [[str((START + 60 * n) * 1000), "2", "4", "1", "3", "10", "25"] for n in (1, 0)]
    answer = put(tmp_path, {"retCode": 0, "result": {"symbol": "SOLUSDT", "list": rows}})
    file = read(answer, resolution="1m", **IN_USD)
    assert (file.report.source, minutes_of(file), facts_of(file)[2]) == ("bybit", [0, 1], "token")
    with pytest.raises(CandleFileError, match="Bybit answered with error 10001"):
        read(put(tmp_path, {"retCode": 10001, "result": {"list": []}}), **IN_USD)


CCXT = [[(START + 60 * n) * 1000, 2.0, 4, 1, 3, 5.5] for n in range(11)]


def test_arrays_of_ccxt_name_nothing_and_are_read_when_they_are_named(tmp_path: Path) -> None:
    path = put(tmp_path, CCXT)
    for source in ("ccxt", "freqtrade"):
        file = read(path, source=source, **OF_TOKEN, **UNITS)
        assert (file.report.valid, file.report.time_form, facts_of(file)[0]) == (11, "milliseconds", "1m")
    with pytest.raises(CandleFileError, match="declare --source ccxt, freqtrade, geckoterminal or binance"):
        read(path, **OF_TOKEN, **UNITS)
    with pytest.raises(CandleFileError, match=r"declare --price-unit .*--volume-unit .*--token, --chain"):
        read(path, source="ccxt")


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_feather_of_freqtrade_gives_what_its_json_gives(tmp_path: Path, compression: str) -> None:
    names = ("open", "high", "low", "close", "volume")
    columns: dict[str, Any] = {"date": pa.array([row[0] for row in CCXT], pa.timestamp("ms", tz="UTC"))}
    columns |= {name: pa.array([float(row[at]) for row in CCXT]) for at, name in enumerate(names, 1)}
    path = tmp_path / "candles.feather"
    pyarrow.feather.write_feather(pa.table(columns), path, compression=compression, chunksize=4)  # type: ignore[arg-type]
    from_json = read(put(tmp_path, CCXT), source="freqtrade", **OF_TOKEN, **UNITS)
    assert read(path, **OF_TOKEN, **UNITS).candles.equals(from_json.candles, check_metadata=True)


def test_a_damaged_feather_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "candles.feather"
    pyarrow.feather.write_feather(pa.table({"date": [1], "open": [1.0]}), path)
    damaged = put(tmp_path, path.read_bytes()[:-20], "damaged.feather")
    with pytest.raises(CandleFileError, match="damaged Arrow file"):
        read(damaged, source="freqtrade", **OF_TOKEN, **UNITS)
