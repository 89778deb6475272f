"""Swaps as a source of candles: JSON lines, CSV and Parquet, and a real capture of token launches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.errors import CandleFileError
from quantlab_resources.candles.files.candle_declaration import CandleFileDeclaration
from quantlab_resources.candles.files.candle_file import CandleFile, read_candle_file
from quantlab_resources.candles.files.formats import json_line_swaps, swaps
from quantlab_resources.candles.files.formats.format_rows import FormatRows
from quantlab_resources.candles.files.raw_rows import file_start

SAMPLE = Path(__file__).parents[6] / "shared" / "data" / "ohlcv" / "pumpfun_swaps" / "floor_capture_sample.jsonl"
AS_OF = datetime(2026, 12, 1, tzinfo=UTC)
MINT, OTHER = "9BB6NFEcjBCtnNLFko2FqVQBq8HHM13kCyYcdQbgpump", "7GCihgDB8fe6KNjn2MYtkzZcRjQy3t9GHdC8uHYmW2hr"
NOON = 1_746_100_800  # 2025-05-01T12:00:00Z
HOUR = {"span_from": datetime(2025, 5, 1, 12, tzinfo=UTC), "span_to": datetime(2025, 5, 1, 13, tzinfo=UTC)}


def swap(second: int, price: float, sol: float = 1.0, **values: Any) -> dict[str, Any]:
    return {"ts": NOON + second, "side": "buy", "sol": sol, "tokens": sol / price, "price": price, **values}


def lines(folder: Path, *objects: Any) -> Path:
    path = folder / "swaps.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in objects), "utf-8")
    return path


def read(path: Path, **declared: Any) -> FormatRows:
    return swaps.read(path, CandleFileDeclaration(**declared))


def imported(path: Path, **declared: Any) -> CandleFile:
    return read_candle_file(path, CandleFileDeclaration(**declared), as_of=AS_OF)


def shown(found: FormatRows) -> list[tuple[Any, ...]]:
    names = ("open", "high", "low", "close", "volume")
    return [(row["ts"].minute, *(row[name] for name in names)) for row in found.rows.table.to_pylist()]


def test_json_lines_become_candles_in_sol(tmp_path: Path) -> None:
    path = lines(tmp_path, {"mint": MINT, "swaps": [swap(1, 2.0), swap(30, 3.0, 0.5), swap(61, 4.0)]})
    file = imported(path, **HOUR)
    assert [
        tuple(row[name] for name in ("token_address", "chain", "open", "high", "low", "close", "volume"))
        for row in file.candles.to_pylist()
    ] == [(MINT, "solana", 2.0, 3.0, 2.0, 3.0, 1.5), (MINT, "solana", 4.0, 4.0, 4.0, 4.0, 1.0)]
    assert attributes_of(file.candles) == {
        "resolution": "1m",
        "source": "file",
        "source_spans": '[["2025-05-01T12:00:00Z","2025-05-01T13:00:00Z"]]',
        "price_unit": "sol",
        "volume_unit": "sol",
    }


def test_prices_in_sol_are_never_declared_to_be_dollars(tmp_path: Path) -> None:
    path = lines(tmp_path, {"mint": MINT, **swap(1, 2.0)}, {"mint": MINT, **swap(61, 2.0)})
    with pytest.raises(CandleFileError, match="price-unit usd is declared, but the swaps file states sol"):
        imported(path, price_unit="usd")


def test_without_a_span_the_last_candle_is_left_out_and_said(tmp_path: Path) -> None:
    path = lines(tmp_path, {"mint": MINT, "swaps": [swap(1, 2.0), swap(61, 4.0)]}, {"mint": OTHER, "swaps": []})
    found = read(path)
    assert shown(found) == [(0, 2.0, 2.0, 2.0, 2.0, 1.0)]
    assert found.notes == (
        "2 swaps made 1 candles of 1m: 1 used, 0 rejected, 0 listed twice, 1 in candles that are not whole",
        "1 tokens are named without a single swap",
    )


def test_a_declared_resolution_is_the_candles_length(tmp_path: Path) -> None:
    path = lines(tmp_path, {"mint": MINT, "swaps": [swap(1, 2.0), swap(299, 4.0), swap(300, 4.0)]})
    assert shown(read(path, resolution="5m")) == [(0, 2.0, 4.0, 2.0, 4.0, 2.0)]


@pytest.mark.parametrize(
    ("names", "units"),
    [
        (("block_time", "quote_amount", "base_amount", "token"), (None, None)),
        (("TIME", "amount_sol", "amount_token", "Mint"), ("sol", "sol")),
    ],
)
def test_csv_and_parquet_are_known_by_their_columns(
    tmp_path: Path, names: tuple[str, ...], units: tuple[str | None, ...]
) -> None:
    """Without a price the price is what was paid. The quote currency is only known where a column is named for it."""
    table = pa.table(dict(zip(names, ([NOON, NOON + 5], [1.5, 4.0], [3.0, 2.0], [MINT, MINT]), strict=True)))
    pq.write_table(table, tmp_path / "swaps.parquet")
    rows = [",".join(names), *(",".join(map(str, row.values())) for row in table.to_pylist())]
    (tmp_path / "swaps.csv").write_text("\n".join(rows) + "\n")
    for name in ("swaps.csv", "swaps.parquet"):
        assert swaps.recognises(file_start(tmp_path / name))
        found = read(tmp_path / name, chain="solana", **HOUR)
        assert shown(found) == [(0, 0.5, 2.0, 0.5, 2.0, 5.5)]
        assert (found.price_unit, found.volume_unit) == units
        assert read(tmp_path / name, chain="solana", price_unit="usd", **HOUR).volume_unit == (units[0] or "usd")


def test_every_bad_row_is_quarantined_as_it_stands_and_the_others_go_on(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        {"mint": MINT, "swaps": [swap(0, 2.0), swap(1, 2.0, side="gift"), "no swap"]},
        "{not json",
        '"text"',
        {"mint": MINT, "swaps": 7},
        {"mint": "nonsense", **swap(2, 2.0)},
        {"mint": MINT, **swap(3, 2.0), "ts": "soon"},
        {"mint": MINT, **swap(4, 2.0), "sol": "much"},
        {"mint": MINT, **swap(5, 2.0), "sol": 0},
        {"mint": MINT, **swap(6, 2.0), "price": 3},
        {"mint": MINT, **swap(7, 40.0, 0.2)},
        "[" * 100_000,
        "",
        {"mint": MINT, **swap(8, 3.0)},
    )
    file = imported(path, source="swaps", **HOUR)
    assert [(row["row_number"], row["rule_id"]) for row in file.quarantine.to_pylist()] == [
        (2, "swap_side_unknown"),
        (3, "row_malformed"),
        (4, "row_malformed"),
        (5, "row_malformed"),
        (6, "row_malformed"),
        (7, "token_invalid"),
        (8, "time_unreadable"),
        (9, "number_unreadable"),
        (10, "swap_amount_not_positive"),
        (11, "swap_price_mismatch"),
        (12, "swap_price_far"),
        (13, "row_malformed"),
    ]
    reasons = [str(reason) for reason in file.quarantine["reason"]]
    assert reasons[8] == "0.0 paid for 0.5 tokens make no price"
    assert "nested too deeply" in reasons[11]
    assert "gift" in str(file.quarantine["payload"][0])
    assert (file.report.valid, file.report.rejected) == (1, 12)
    assert file.candles["close"].to_pylist() == [3.0]


def test_a_swap_listed_twice_counts_once(tmp_path: Path) -> None:
    twice = {"mint": MINT, **swap(1, 2.0, sig="a")}
    found = read(lines(tmp_path, twice, {"mint": MINT, **swap(1, 2.0, sig="b")}, twice), **HOUR)
    assert shown(found) == [(0, 2.0, 2.0, 2.0, 2.0, 2.0)]
    assert "2 used, 0 rejected, 1 listed twice" in found.notes[0]


@pytest.mark.parametrize(
    ("objects", "declared", "message"),
    [
        ([swap(1, 2.0)], {}, "does not name its token; declare --token"),
        ([{"mint": MINT, "ts": NOON, "price": 1}], {}, r"have no quote \(sol, .*\) and no tokens \(tokens, "),
        ([{"mint": MINT, **swap(1, 2.0)}], {}, "its 1 swaps make no whole candle of 1m .* declare --from and --to"),
        ([{"mint": MINT, **swap(3600, 2.0)}], HOUR, "its swaps run from 2025-05-01T13:00:00Z to .* widen --from"),
        ([{"mint": MINT, "swaps": []}], {}, "nothing to import"),
    ],
)
def test_what_makes_no_candles_is_refused_with_a_remedy(
    tmp_path: Path, objects: list[Any], declared: dict[str, Any], message: str
) -> None:
    with pytest.raises(CandleFileError, match=message):
        read(lines(tmp_path, *objects), **declared)


def test_a_resolution_that_is_none_is_refused_for_swaps_too(tmp_path: Path) -> None:
    with pytest.raises(CandleFileError, match="--resolution '7m' is not known; use 1m, 5m, "):
        imported(lines(tmp_path, {"mint": MINT, **swap(1, 2.0)}), resolution="7m")


def test_files_and_lines_beyond_the_limits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path, {"mint": MINT, "swaps": [swap(1, 2.0), swap(61, 2.0)]})
    monkeypatch.setattr(json_line_swaps, "MAX_LINE_BYTES", 100)
    with pytest.raises(CandleFileError, match="is longer than 100 bytes; write one swap per line"):
        read(path)
    monkeypatch.setattr(json_line_swaps, "MAX_BYTES", 50)
    with pytest.raises(CandleFileError, match="more than one import of swaps takes"):
        read(path)


@pytest.mark.parametrize(
    ("text", "is_swaps"),
    [
        ('{"mint": "x", "swaps": []}\n', True),
        ('{"ts": 1, "sol": 1, "tokens": 2}\n', True),
        ('\ufeff{"ts": 1, "sol": 1, "tokens": 2}', True),
        ('{"mint": "x", "swaps": [' + '{"ts": 1, "sol": 1, "tokens": 2}, ' * 3000 + "]}\n", True),
        ('{"data": {"items": []}}', False),
        ('{"ts": 1, "open": 1, "high": 1, "low": 1, "close": 1, "sol": 1, "tokens": 2}\n', False),
        ("{\n", False),
        ("[[1,2,3,4,5,6]]", False),
        ("7\n", False),
        ("ts,sol,tokens\n", True),
        ("ts,open,high,low,close,volume\n", False),
        ("", False),
    ],
)
def test_only_what_is_certainly_of_swaps_is_recognised(tmp_path: Path, text: str, is_swaps: bool) -> None:
    path = tmp_path / "file"
    path.write_text(text, "utf-8")
    assert swaps.recognises(file_start(path)) is is_swaps


@pytest.mark.skipif(not SAMPLE.exists(), reason="the shared sample data are not beside this checkout")
def test_a_real_capture_of_launches_gives_candles_without_prices_that_nobody_paid() -> None:
    """20 tokens, two of them without a swap; amounts are rounded to 0.0001 SOL, and 330 swaps have none.

    Taken as they stand, half of the candles have a high beyond 1,000 times their low.
    """
    file = imported(SAMPLE)
    assert (file.report.valid, len(file.report.tokens)) == (82, 18)
    assert file.report.rejected_by_rule == {"swap_amount_not_positive": 330, "swap_price_far": 1351}
    assert attributes_of(file.candles)["price_unit"] == "sol"
    candles = file.candles.to_pylist()
    assert max(row["high"] / row["low"] for row in candles) < 100
    assert all(1e-9 < row["low"] <= row["high"] < 1e-4 for row in candles)
    assert sum(row["volume"] for row in candles) == pytest.approx(8_983, rel=1)
