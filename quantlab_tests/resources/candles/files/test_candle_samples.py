"""Real candle files: each anomaly of their description, read right or refused for the right reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantlab_core.candles.arrow_columns import microseconds
from quantlab_core.candles.duplicate_candles import merge_candles
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_file import CandleFile
from quantlab_tests.resources.candles.files.candle_files import OF_TOKEN, UNITS, facts_of
from quantlab_tests.resources.candles.files.candle_files import read as read_file

SAMPLES = Path(__file__).parents[5] / "shared" / "data" / "ohlcv"
MINUTE_US = 60_000_000
IN_TOKENS = {"price_unit": "usd", "volume_unit": "token", **OF_TOKEN}
GECKO = {"source": "geckoterminal", **UNITS}
NOW = datetime(2026, 11, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the shared samples are not beside this checkout")


def read(name: str, **declared: Any) -> CandleFile:
    return read_file(SAMPLES / name, as_of=NOW, **declared)


def steps(file: CandleFile) -> Any:
    """Steps between candles in minutes."""
    return np.diff(microseconds(file.candles["ts"])) // MINUTE_US


@pytest.mark.parametrize(
    ("name", "rows", "gaps", "longest"),
    [("SOL_39WbVp", 162, 0.14, 12), ("ETH_0x4250", 208, 0.42, 12), ("BNB_0x73b8", 147, 0.01, 2)],
)
def test_minutes_without_trades_are_absent_and_none_is_invented(
    name: str, rows: int, gaps: float, longest: int
) -> None:
    file = read(f"geckoterminal_1m_dex/{name}_20251002.csv", **GECKO, **OF_TOKEN)
    assert (file.report.valid, file.report.resolution) == (rows, "1m")
    assert float((steps(file) > 1).mean()) == pytest.approx(gaps, abs=0.006)
    assert steps(file).max() <= longest
    opens, closes = file.candles["open"].to_pylist(), file.candles["close"].to_pylist()
    assert np.mean([opened == closed for opened, closed in zip(opens[1:], closes[:-1], strict=True)]) > 0.98


def test_two_fetches_of_one_token_differ_and_the_rule_for_duplicates_decides() -> None:
    conflicts = common = 0
    for name in ("SOL_39WbVp", "ETH_0x4250", "BNB_0x73b8"):
        tables = [read(f"geckoterminal_1m_dex/{name}_{day}.csv", **GECKO, **OF_TOKEN).candles
                  for day in ("20251002", "20251003")]  # fmt: skip
        merged, lost = merge_candles(tables)
        again, _ = merge_candles(tables[::-1])
        assert merged.equals(again)
        common += tables[0].num_rows + tables[1].num_rows - merged.num_rows
        conflicts += lost
        volumes = {row["ts"]: row["volume"] for table in tables for row in table.to_pylist()}
        assert all(row["volume"] >= volumes[row["ts"]] for row in merged.to_pylist())
    assert (common, conflicts) == (449, 9)


def test_the_unfinished_last_candle_is_dropped_when_the_time_of_the_fetch_is_known() -> None:
    name = "geckoterminal_1m_dex/BNB_0x73b8_20251003.csv"
    whole = read(name, **GECKO, **OF_TOKEN)
    fetched = read(name, **GECKO, **OF_TOKEN, fetched_at=whole.report.last_ts + timedelta(seconds=20))  # type: ignore[operator]
    assert (fetched.report.valid, fetched.report.open_candles) == (115, 1)


def test_a_list_of_many_pages_holds_most_rows_several_times() -> None:
    name = "geckoterminal_1m_dex/solana_Czfq3xZZDmsdGdUyrNLtRhGc47cXcZtLG4crryfu44zE.json"
    file = read(name, **GECKO, **OF_TOKEN)
    report = file.report
    assert (report.rows, report.valid, report.equal_duplicates) == (3000, 500, 2497)
    assert report.rejected_by_rule == {"conflicting_duplicate": 3}
    assert len(set(file.quarantine["ts"].to_pylist())) == 2
    with pytest.raises(CandleFileError, match="bare arrays name no columns"):
        read(name, **OF_TOKEN)


def test_a_call_list_is_no_candle_file() -> None:
    with pytest.raises(CandleFileError, match="'20:48' in row 1 has no date and no zone"):
        read("geckoterminal_1m_dex/signals.csv")


def test_hourly_lists_of_289_tokens_with_the_open_candle_of_each_dropped() -> None:
    file = read("geckoterminal_1h_pumpfun/gt_raw.json", chain="solana", **UNITS)
    report = file.report
    assert (report.source, report.rows, len(report.tokens)) == ("geckoterminal", 24_795, 289)
    assert (report.valid, report.open_candles, facts_of(file)[0]) == (24_787, 8, "1h")
    assert "17,278 of 24,506 steps are 1h" in report.resolution_reason
    closes = file.candles["close"].to_numpy()
    same_token = np.array(file.candles["token_address"].to_pylist())
    falls = (closes[1:] < 0.2 * closes[:-1]) & (same_token[1:] == same_token[:-1])
    assert falls.sum() == 95


@pytest.mark.parametrize("name", ["SOL_USDT", "DOGE_USDT"])
def test_an_outage_of_an_exchange_is_a_gap_between_candles_without_volume(name: str) -> None:
    file = read(f"freqtrade_ccxt_json/{name}-1m.json", source="freqtrade", **IN_TOKENS)
    assert (file.report.valid, file.report.rejected, file.report.resolution) == (66_088, 0, "1m")
    (gap,) = np.flatnonzero(steps(file) > 1)
    before, after = file.candles["ts"][int(gap)].as_py(), file.candles["ts"][int(gap) + 1].as_py()
    assert (before, after) == (datetime(2023, 3, 24, 12, 39, tzinfo=UTC), datetime(2023, 3, 24, 14, 0, tzinfo=UTC))
    assert 0.0 in file.candles["volume"].slice(int(gap) - 5, 12).to_pylist()


def test_feather_and_json_of_the_same_candles_agree() -> None:
    feather = read("freqtrade_ccxt_json/UNITTEST_BTC-1m.feather", **{**IN_TOKENS, "price_unit": "btc"})
    arrays = read("freqtrade_ccxt_json/UNITTEST_BTC-1m.json", source="ccxt", **{**IN_TOKENS, "price_unit": "btc"})
    assert feather.candles.select(["token_address", "ts"]).equals(arrays.candles.select(["token_address", "ts"]))
    for name in ("open", "high", "low", "close", "volume"):  # the last digit was lost when the feather file was made
        np.testing.assert_allclose(feather.candles[name].to_numpy(), arrays.candles[name].to_numpy(), rtol=1e-12)
    gaps = steps(feather)[steps(feather) > 1]
    assert (feather.report.valid, len(gaps), gaps.min(), gaps.max()) == (13_681, 538, 2, 8)
    high, low = (feather.candles[side].to_numpy() for side in ("high", "low"))
    assert int((high == low).sum()) == 1935


@pytest.mark.parametrize(("name", "rows", "resolution"), [("DOGEUSDT_1m", 43_200, "1m"), ("SOLUSDT_5m", 25_920, "5m")])
def test_the_clean_control_set_is_read_whole(name: str, rows: int, resolution: str) -> None:
    file = read(f"bybit_csv/{name}.csv", source="bybit", **IN_TOKENS)
    assert (file.report.valid, file.report.rejected, file.report.resolution) == (rows, 0, resolution)
    assert set(steps(file).tolist()) == {int(resolution[:-1])}


@pytest.mark.parametrize(
    ("name", "rows"),
    [("ADABTC-1m-2021-11-27.csv", 10), ("ADABTC-1m-2021-11-28.csv", 11), ("http_spot_market_klines.json", 10)],
)
def test_klines_state_their_interval_and_prove_what_their_volume_counts(name: str, rows: int) -> None:
    file = read(f"binance_klines/{name}", price_unit="btc", **OF_TOKEN)
    assert (file.report.source, file.report.valid, facts_of(file)) == ("binance", rows, ("1m", "btc", "token"))


def test_microseconds_as_text_without_a_zone_need_one() -> None:
    name = "binance_klines/btc-perp-20211231-20220201_1m.csv"
    with pytest.raises(CandleFileError, match="have no zone"):
        read(name, **IN_TOKENS)
    assert read(name, **IN_TOKENS, time_zone="UTC").report.valid == 45_031


@pytest.mark.parametrize("source", ["auto", "clickhouse", "flat"])
def test_a_file_of_two_intervals_is_refused_with_its_rows(source: str) -> None:
    name = "upstream_excerpts/quantbot_solana_mixed_5m_then_1m_nan_volume.csv"
    with pytest.raises(CandleFileError, match=r"12 rows in a row are exactly 5m apart \(row 1 at 2025-08-13T02:45:00Z"):
        read(name, source=source, **IN_TOKENS)
    with pytest.raises(CandleFileError, match="13 rows are not on the grid of 5m candles"):
        read(name, source=source, resolution="5m", **IN_TOKENS)


def test_a_rug_in_5_minute_candles_with_two_columns_of_times() -> None:
    file = read("upstream_excerpts/quantbot_bags_token_ms_datetime_5m.csv", **IN_TOKENS)
    assert (file.report.valid, file.report.resolution, file.report.time_form) == (18, "5m", "milliseconds")
    rows = file.candles.to_pylist()
    assert rows[0]["high"] / rows[0]["open"] > 21
    assert min(row["close"] / row["open"] for row in rows) == pytest.approx(0.08, abs=0.01)
    assert any(row["volume"] == 0 and row["high"] == row["low"] for row in rows)


def test_flat_minutes_before_the_first_trade_look_like_coverage_and_are_none() -> None:
    file = read("upstream_excerpts/quantbot_birdeye_cache_flat_zero_volume.json", **IN_TOKENS)
    assert (file.report.source, file.report.rows, file.report.valid) == ("birdeye", 12, 0)
    assert (file.report.empty_minutes, file.report.resolution) == (12, "5m")


def test_a_schema_is_no_candle_file() -> None:
    with pytest.raises(CandleFileError):
        read("upstream_excerpts/clickhouse_schema.txt", **IN_TOKENS)
