"""Files of Birdeye and GeckoTerminal: what they state, what has to be declared, what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.errors import CandleFileError
from quantlab_tests.resources.candles.files.candle_files import (
    EVM,
    MINT,
    OF_TOKEN,
    SOL,
    START,
    UNITS,
    facts_of,
    minutes_of,
    put,
    read,
)


def item(minute: int, *, volume: float = 7.0, **changes: Any) -> dict[str, Any]:
    """An item of the first version, at a minute from `START`; None takes a name away."""
    written = {
        "address": MINT, "type": "1m", "currency": "usd", "unixTime": START + 60 * minute,
        "o": 2, "h": 4, "l": 1, "c": 3.5, "v": volume, **changes,
    }  # fmt: skip
    return {name: value for name, value in written.items() if value is not None}


def answer(*items: Any, **more: Any) -> dict[str, Any]:
    return {"success": True, "data": {"items": list(items)}, **more}


def filled(minute: int, price: float = 2.0) -> dict[str, Any]:
    return item(minute, volume=0, o=price, h=price, l=price, c=price)


def test_an_answer_of_birdeye_states_all_but_the_chain(tmp_path: Path) -> None:
    path = put(tmp_path, answer(item(1), item(0)))
    file = read(path, chain="solana")
    assert (minutes_of(file), facts_of(file)) == ([0, 1], ("1m", "usd", "token"))
    assert (file.report.source, file.report.resolution_reason) == ("birdeye", "stated")
    assert file.report.tokens == (f"solana:{MINT}",)
    with pytest.raises(CandleFileError, match="declare --chain"):
        read(path)


def test_the_third_version_has_other_names(tmp_path: Path) -> None:
    third = [item(n, unixTime=None, unix_time=START + 60 * n, v_usd=24.5) for n in range(2)]
    file = read(put(tmp_path, answer(*third)), chain="solana")
    assert (minutes_of(file), facts_of(file)) == ([0, 1], ("1m", "usd", "token"))


def test_prices_in_the_native_coin_are_in_that_of_the_chain(tmp_path: Path) -> None:
    path = put(tmp_path, answer(item(0, currency="native", address=EVM)))
    assert facts_of(read(path, chain="base"))[1] == "eth"
    assert facts_of(read(path, chain="bsc"))[1] == "bnb"
    assert facts_of(read(put(tmp_path, answer(item(0, currency="native"))), chain="solana"))[1] == "sol"
    with pytest.raises(CandleFileError, match="declare --price-unit"):
        read(path, chain="monad")


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"resolution": "5m"}, "--resolution 5m is declared, but the birdeye file states 1m"),
        ({"price_unit": "sol"}, "--price-unit sol is declared, but the birdeye file states usd"),
        ({"volume_unit": "usd"}, "--volume-unit usd is declared, but the birdeye file states token"),
        ({"token": SOL}, "names the token 9BB6.*leave out --token"),
    ],
)
def test_what_birdeye_states_and_a_declaration_contradicts_is_refused(
    tmp_path: Path, declared: dict[str, Any], message: str
) -> None:
    with pytest.raises(CandleFileError, match=message):
        read(put(tmp_path, answer(item(0))), chain="solana", **declared)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (answer(item(0), item(5, type="5m")), r"candles of 1m \(row 1\) and 5m \(row 2\)"),
        (answer(item(0, type="3m")), "interval '3m' in row 1 is none of"),
        (answer(item(0, type="1M")), "interval '1M' in row 1 is none of"),
        (answer(item(0), item(1, currency="native")), "in native and usd; keep one currency"),
        (answer(), "no candle in it"),
        ({"success": False, "message": "Too many requests", "data": {"items": []}, "x": {"unixTime": 1}}, "Too many"),
    ],
)
def test_an_answer_that_is_of_no_use_is_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    with pytest.raises(CandleFileError, match=message):
        read(put(tmp_path, content), source="birdeye", chain="solana")


def test_minutes_before_the_first_trade_are_no_candles_and_no_span_begins_with_them(tmp_path: Path) -> None:
    """Before the first trade the answer is filled, at a price that is known only afterwards."""
    file = read(put(tmp_path, answer(filled(0), filled(1), item(2), filled(3, 3.5))), chain="solana")
    assert (minutes_of(file), file.report.empty_minutes) == ([2, 3], 2)
    assert dict(file.candles.schema.metadata or {})[b"source_spans"] == b"[]"


def test_a_declared_span_holds_minutes_before_the_first_trade(tmp_path: Path) -> None:
    start, end = (datetime.fromtimestamp(START + 60 * n, UTC) for n in (0, 4))
    path = put(tmp_path, answer(filled(0), item(2)))
    file = read(path, chain="solana", span_from=start, span_to=end)
    spans = json.loads(dict(file.candles.schema.metadata or {})[b"source_spans"])
    assert spans == [["2025-05-01T20:48:00Z", "2025-05-01T20:52:00Z"]]


def test_a_cache_says_when_it_was_fetched_and_nothing_of_units(tmp_path: Path) -> None:
    spelled = [
        {"unixTime": START - 180 + 300 * n, "open": 2, "high": 4, "low": 1, "close": 3, "volume": 5} for n in range(12)
    ]
    path = put(tmp_path, {"timestamp": (START + 3300) * 1000, "data": {"items": spelled}})
    file = read(path, **OF_TOKEN, **UNITS)
    assert (file.report.resolution, file.report.valid, file.report.open_candles) == ("5m", 11, 1)
    with pytest.raises(CandleFileError, match=r"declare --price-unit .*, --volume-unit .*, --token, --chain"):
        read(path)


def test_an_item_that_is_none_is_quarantined(tmp_path: Path) -> None:
    file = read(put(tmp_path, answer(item(0), "nothing", item(1, o=None), item(2, h="much"))), chain="solana")
    assert [(row["row_number"], row["rule_id"]) for row in file.quarantine.to_pylist()] == [
        (2, "row_malformed"),
        (3, "price_not_finite"),
        (4, "number_unreadable"),
    ]
    assert json.loads(file.quarantine["payload"][2].as_py())["h"] == "much"


SILENT = "5EBZ2nexAYnrBBxrr4asLTQf6T2HaHd152mus51oQ1Sb"
ROWS = [[START + 60 * n, 2, 4, 1, 3, 5.5] for n in (2, 1, 0)]
POOL = {"base": {"address": MINT}, "quote": {"address": SOL}}


def test_an_answer_of_geckoterminal_does_not_say_whose_prices_it_has(tmp_path: Path) -> None:
    path = put(tmp_path, {"data": {"attributes": {"ohlcv_list": ROWS}}, "meta": POOL})
    file = read(path, **OF_TOKEN, **UNITS, resolution="1m")
    assert (minutes_of(file), file.report.source) == ([0, 1, 2], "geckoterminal")
    with pytest.raises(CandleFileError, match=f"the tokens {MINT} and {SOL}, .* declare --token"):
        read(path, chain="solana", **UNITS)
    with pytest.raises(CandleFileError, match=f"the tokens {MINT} and {SOL}, not {EVM}"):
        read(path, token=EVM, chain="base", **UNITS)
    with pytest.raises(CandleFileError, match=r"3 times are on the grid of 1m, 2 of 2 .*declare --resolution"):
        read(path, **OF_TOKEN, **UNITS)


def test_a_bare_list_and_csv_are_read_when_they_are_named(tmp_path: Path) -> None:
    bare = put(tmp_path, ROWS)
    csv = put(tmp_path, "ts,o,h,l,c,v\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS), "candles.csv")
    declared = {"source": "geckoterminal", "resolution": "1m", **OF_TOKEN, **UNITS}
    assert read(bare, **declared).candles.equals(read(csv, **declared).candles, check_metadata=True)
    with pytest.raises(CandleFileError, match="bare arrays name no columns: declare --source"):
        read(bare, **OF_TOKEN)


def by_token(**entries: Any) -> dict[str, Any]:
    return {mint: {"mint": mint, **entry} for mint, entry in entries.items()}


def test_lists_by_token_hold_many_and_say_when_each_was_fetched(tmp_path: Path) -> None:
    """SOL was fetched within its last minute, the other token long after; fetched_at may stand behind the list."""
    content = by_token(**{
        MINT: {"fetched_at": START + 9000, "ohlcv": ROWS},
        SOL: {"ohlcv": ROWS, "fetched_at": START + 130},
        SILENT: {"ohlcv": []},
    })  # fmt: skip
    file = read(put(tmp_path, content), chain="solana", resolution="1m", **UNITS)
    assert (file.report.valid, file.report.open_candles) == (5, 1)
    assert file.report.tokens == (f"solana:{MINT}", f"solana:{SOL}")
    assert file.report.notes == (
        "1 tokens of the file have no candles, such as 5EBZ2nexAYnrBBxrr4asLTQf6T2HaHd152mus51oQ1Sb",
    )


def test_an_entry_under_another_token_is_refused(tmp_path: Path) -> None:
    content = {MINT: {"mint": SOL, "ohlcv": ROWS}}
    with pytest.raises(CandleFileError, match=f"the entry {MINT} says that it is of {SOL}"):
        read(put(tmp_path, content), chain="solana", resolution="1m", **UNITS)


def test_rows_of_another_length_are_quarantined(tmp_path: Path) -> None:
    ragged = [*ROWS, [START + 180, 2, 4], 7, [START + 240, 2, 4, 1, [3], 1]]
    path = put(tmp_path, {"data": {"attributes": {"ohlcv_list": ragged}}})
    file = read(path, **OF_TOKEN, **UNITS, resolution="1m")
    assert [(row["row_number"], row["rule_id"], row["payload"]) for row in file.quarantine.to_pylist()][:2] == [
        (4, "row_malformed", json.dumps(json.dumps([START + 180, 2, 4]))),
        (5, "row_malformed", '"7"'),
    ]
    assert file.quarantine["rule_id"].to_pylist()[2] == "number_unreadable"
    assert file.report.rows == 6


def test_an_error_of_geckoterminal_is_named_as_such(tmp_path: Path) -> None:
    path = put(tmp_path, {"errors": [{"status": "429"}], "ohlcv_list": None})
    with pytest.raises(CandleFileError, match="GeckoTerminal answered with an error"):
        read(path, source="geckoterminal", **OF_TOKEN, **UNITS)
