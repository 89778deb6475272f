"""The ClickHouse source on the embedded engine: layouts, duplicates, chains, types, spans."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CHAIN_UNCLEAR
from quantlab_core.candles.epoch_time import EPOCH
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.validation import RULES
from quantlab_core.errors import CandleSourceError, InvalidInputError
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.candle_queries import resolution_of
from quantlab_resources.candles.clickhouse.clickhouse_address import parse_address
from quantlab_resources.candles.clickhouse.clickhouse_candle_source import ClickHouseCandleSource
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, minute
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    BASE,
    BSC,
    EDGE,
    GRADED,
    GRADED_ENGINE,
    PLAIN,
    SOMEWHERE,
    FixedClock,
    edges,
    embedded,
    fill,
    graded_row,
    literal,
    minutes_of,
    request,
    row,
    source_at,
    volumes_of,
)

GRADED_TABLE = "quantbot.ohlcv_candles_1m"
NEVER_MERGED = "SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1"
OTHER = Token("solana", "So11111111111111111111111111111111111111112")


class Engine:
    """One folder of the embedded engine, filled and asked in turns."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"chdb://{folder}"

    def filled(self, rows: list[dict[str, Any]], **how: Any) -> Engine:
        with embedded(self.folder) as client:
            fill(client, rows, **how)
        return self

    def command(self, sql: str) -> None:
        with embedded(self.folder) as client:
            client.command(sql)

    def source(self, **config: Any) -> ClickHouseCandleSource:
        return source_at(self.url, **config)


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "engine")


def span(start: int, end: int) -> SourceSpan:
    return SourceSpan(minute(start), minute(end))


def test_candles_of_the_asked_interval_and_window_come_in_order(engine: Engine) -> None:
    rows = [row(9), row(3), row(100), row(4, interval=300), row(0), row(-1)]
    answer = engine.filled(rows).source().fetch(request())
    assert answer.candles.schema.equals(CANDLE_SCHEMA)
    assert minutes_of(answer.candles) == [0, 3, 9]
    assert answer.candles.to_pylist()[0] == {
        "token_address": TOKEN.address, "chain": "solana", "ts": T0,
        "open": 2.0, "high": 4.0, "low": 1.0, "close": 3.0, "volume": 10.0,
    }  # fmt: skip
    assert (answer.spans, answer.source) == ((span(0, 100),), "clickhouse")
    assert (answer.price_unit, answer.volume_unit, answer.input_artifact_ids) == ("usd", "unknown", ())


def test_a_token_without_candles_has_its_span_and_an_empty_table(engine: Engine) -> None:
    source = engine.filled([*edges(0, 500), row(300, OTHER)]).source()
    answer = source.fetch(request(OTHER))
    assert (answer.candles.num_rows, answer.spans, answer.rejections) == (0, (span(0, 100),), ())


def test_a_token_that_the_table_never_held_is_unknown_unless_the_whole_table_is_said_to_be_silent(
    engine: Engine,
) -> None:
    engine.filled(edges())
    never, held = engine.source().fetch_many([request(OTHER), request(EDGE, 1, 99)])
    assert never.is_unknown
    assert (held.candles.num_rows, held.spans) == (0, (span(1, 99),))
    answer = engine.source(silence="table").fetch(request(OTHER))
    assert (answer.candles.num_rows, answer.spans) == (0, (span(0, 100),))


@pytest.mark.parametrize("silence", ["token", "table"])
def test_outside_of_the_tables_reach_nothing_is_known_whatever_it_says_of_silence(engine: Engine, silence: str) -> None:
    """The table's minutes run from 10 to 50, its five minutes from 0 to 100; a row without a time adds nothing."""
    no_time = row(0) | {"timestamp": EPOCH}
    rows = [row(10), row(50, EDGE), row(0, interval=300), row(95, interval=300), no_time]
    source = engine.filled(rows).source(silence=silence)
    windows = [request(), request(start=20, end=30), request(start=40), request(start=51), request(end=10)]
    answers = source.fetch_many([*windows, request(resolution="5m")])
    assert [answer.spans for answer in answers] == [
        (span(10, 51),), (span(20, 30),), (span(40, 51),), (), (), (span(0, 100),)
    ]  # fmt: skip
    assert [answer.is_unknown for answer in answers] == [False, False, False, True, True, False]


def test_what_comes_into_the_table_later_is_seen_by_the_same_source(engine: Engine) -> None:
    """Another spelling of a minute beside the first one, and candles beyond what was the last one."""
    types = {**PLAIN, "interval": "String"}
    source = engine.filled([row(1, interval="1m"), row(3, interval="1m")], types=types).source()
    assert source.fetch(request()).spans == (span(1, 4),)
    engine.filled([row(1, interval="1m"), row(2, interval="60"), row(5, interval="1 minute")], types=types)
    answer = source.fetch(request())
    assert (minutes_of(answer.candles), answer.spans) == ([1, 2, 5], (span(1, 6),))


def test_a_request_on_a_chain_that_nobody_knows_is_refused_by_name(engine: Engine) -> None:
    eth, mine = Token("eth", BASE.address), Token("my-chain", BASE.address)
    engine.filled([*edges(), row(1, mine)])
    for silence in ("token", "table"):
        refused, held = engine.source(silence=silence).fetch_many([request(eth), request(mine)])
        assert refused.is_refused
        (rejection,) = refused.rejections
        assert (rejection.rule_id, rejection.rule_version) == (CHAIN_UNCLEAR, RULES[CHAIN_UNCLEAR])
        assert rejection.reason.startswith("'eth' is no chain that is known here; known are abstract, arbitrum")
        assert minutes_of(held.candles) == [1]
    (rejection,) = engine.source(chains={"x": "eth"}).fetch(request(eth)).rejections
    assert "a chain that the table calls 'my-chain'" in rejection.reason


def test_a_resolution_that_the_table_does_not_hold_is_unknown_and_not_silence(engine: Engine) -> None:
    source = engine.filled([row(1), row(5, interval=300), row(7, interval=7)]).source()
    assert source.resolutions() == ("1m", "5m")
    assert source.fetch(request(resolution="1h")).is_unknown


def test_a_token_with_candles_of_another_length_only_is_unknown_at_the_asked_one(engine: Engine) -> None:
    both = [row(7, BSC, interval=300), row(500, BSC)]
    rows = [*edges(0, 500), row(1), row(5, OTHER, interval=300), row(500, BASE, interval=300), *both]
    source, asked = engine.filled(rows).source(), [*map(request, (TOKEN, OTHER, BASE, BSC))]
    minutes, coarse, outside, coarse_here = source.fetch_many(asked)
    assert minutes.candles.num_rows == 1
    assert coarse.is_unknown
    assert outside.is_unknown
    assert coarse_here.is_unknown
    fed = engine.source(silence="table").fetch_many(asked)
    assert [answer.is_unknown for answer in fed] == [False, True, False, True]
    assert minutes_of(source.fetch(request(OTHER, resolution="5m")).candles) == [5]


def test_an_interval_may_be_text(engine: Engine) -> None:
    types = {**PLAIN, "interval": "LowCardinality(String)"}
    rows = [row(1, interval="1m"), row(2, interval="60"), row(3, interval="1 minute"), row(4, interval="60s")]
    others = [row(5, interval="5m"), row(6, interval="1M"), row(7, interval="15s")]
    assert minutes_of(engine.filled([*rows, *others], types=types).source().fetch(request()).candles) == [1, 2, 3, 4]


def test_lengths_that_are_no_resolution_are_not_taken_for_one() -> None:
    meant = {text: resolution_of(text) for text in ("60", "1M", "15s", "1w", "240m", "4h", "86400", "1 day", "", "m")}
    assert meant == {
        "60": "1m", "1M": None, "15s": None, "1w": None, "240m": "4h", "4h": "4h", "86400": "1d", "1 day": "1d",
        "": None, "m": None,
    }  # fmt: skip


def test_without_grades_the_larger_volume_stays_and_conflicts_are_counted(engine: Engine) -> None:
    rows = [row(1, volume=5), row(1, volume=7), row(1, volume=7), row(2), row(2)]
    answer = engine.filled(rows).source().fetch(request())
    assert (list(volumes_of(answer.candles)), answer.conflicting_candles) == ([7.0, 10.0], 1)


def test_with_grades_quality_decides_then_ingestion_then_the_values(engine: Engine) -> None:
    rows = [
        graded_row(1, 110, 1, volume=1), graded_row(1, 20, 9, volume=99),
        graded_row(2, 110, 5, volume=2), graded_row(2, 110, 4, volume=99),
        graded_row(3, 110, 5, volume=3), graded_row(3, 110, 5, volume=99), graded_row(3, 1, 9, volume=100),
    ]  # fmt: skip
    with embedded(engine.folder) as client:
        fill(client, table=GRADED_TABLE, types=GRADED, engine=f"{GRADED_ENGINE} {NEVER_MERGED}")
        for one in rows:
            listed, values = ", ".join(one), ", ".join(map(literal, one.values()))
            client.command(f"INSERT INTO {GRADED_TABLE} ({listed}) VALUES ({values})")  # noqa: S608
    answer = engine.source().fetch(request())
    assert (list(volumes_of(answer.candles)), answer.conflicting_candles) == ([1.0, 2.0, 99.0], 4)


def test_a_row_of_better_quality_that_is_no_candle_does_not_push_a_good_one_out(engine: Engine) -> None:
    rows = [graded_row(1, 120, 1, low=9), graded_row(1, 10, 1, volume=5)]
    engine.filled(rows, table=GRADED_TABLE, types=GRADED, engine="ENGINE = MergeTree ORDER BY timestamp")
    answer = engine.source().fetch(request())
    assert (list(volumes_of(answer.candles)), answer.conflicting_candles) == ([5.0], 0)
    assert [rejected.rule_id for rejected in answer.rejections] == ["high_below_low"]


def test_rows_that_are_no_candles_are_rejected_with_what_they_held(engine: Engine) -> None:
    rows = [row(1, low=9), row(1, low=9), row(2, open=0), row(3, volume=-1), row(4)]
    unaligned = row(5) | {"timestamp": minute(5) + timedelta(seconds=7)}
    answer = engine.filled([*rows, unaligned]).source().fetch(request())
    assert minutes_of(answer.candles) == [4]
    assert [(one.rule_id, one.ts) for one in answer.rejections] == [
        ("high_below_low", minute(1)),
        ("price_not_positive", minute(2)),
        ("volume_negative", minute(3)),
        ("time_unaligned", minute(5) + timedelta(seconds=7)),
    ]
    assert json.loads(answer.rejections[0].payload) == {
        "key": TOKEN.address, "chain": "solana", "timestamp": "2025-05-01T00:01:00+00:00", "interval": "1m",
        "open": 2.0, "high": 4.0, "low": 9.0, "close": 3.0, "volume": 10.0,
    }  # fmt: skip


def test_candles_that_are_open_or_may_still_be_ingested_are_not_asked_for(engine: Engine) -> None:
    rows = [row(number) for number in range(20)]
    clock = FixedClock(minute(10) + timedelta(seconds=30))
    engine.filled(rows)
    for settle, end in ((0, 10), (31, 9), (300, 5)):
        answer = engine.source(clock=clock, settle_seconds=settle).fetch(request())
        assert (minutes_of(answer.candles), answer.spans) == ([*range(end)], (span(0, end),))
    assert engine.source(clock=FixedClock(minute(4))).fetch(request()).is_unknown


def test_the_same_rows_in_any_order_and_in_many_parts_give_the_same_answer(engine: Engine, tmp_path: Path) -> None:
    rows = [graded_row(n % 5, n % 3, n % 2, volume=n % 7) for n in range(60)] + [graded_row(6, 1, 1, low=9)]
    how: dict[str, Any] = {"table": GRADED_TABLE, "types": GRADED, "engine": "ENGINE = MergeTree ORDER BY tuple()"}
    first = engine.filled(rows, **how).source().fetch(request())
    second = Engine(tmp_path / "other").filled(rows[::-1], **how).source().fetch(request())
    assert first == second
    assert first.conflicting_candles > 0


def test_evm_addresses_are_compared_without_case_and_solana_ones_with_it(engine: Engine) -> None:
    written = Token("base", "0xABCDEFABCDEFabcdefabcdefABCDEF0123456789")
    lowered = Token("base", written.address.lower())
    swapped = Token("solana", TOKEN.address.swapcase())
    source = engine.filled([row(1, written), row(2, lowered), row(3)]).source()
    folded, exact = source.fetch_many([request(lowered), request(swapped)])
    assert minutes_of(folded.candles) == [1, 2]
    assert set(folded.candles["token_address"].to_pylist()) == {lowered.address}
    assert exact.candles.num_rows == 0


def test_chains_are_known_under_the_names_that_the_earlier_system_wrote(engine: Engine) -> None:
    rows = [row(1, chain="SOL"), row(2, chain="Solana"), row(3), row(4, BSC, chain="BNB"), row(5, BSC, chain="Bsc")]
    solana, bsc = engine.filled(rows).source().fetch_many([request(), request(BSC)])
    assert (minutes_of(solana.candles), minutes_of(bsc.candles)) == ([1, 2, 3], [4, 5])
    assert {*solana.candles["chain"].to_pylist(), *bsc.candles["chain"].to_pylist()} == {"solana", "bsc"}


def test_a_call_on_an_unknown_chain_takes_the_one_chain_that_has_its_address(engine: Engine) -> None:
    rows = [*edges(), row(1, BASE), row(2, BASE, chain="evm")]
    answer = engine.filled(rows).source().fetch(request(SOMEWHERE))
    assert (minutes_of(answer.candles), answer.spans) == ([1, 2], (span(0, 100),))
    assert set(answer.candles["chain"].to_pylist()) == {"evm_unknown"}


def test_of_several_chains_none_is_guessed_and_they_are_named(engine: Engine) -> None:
    source = engine.filled([row(1, BASE), row(2, BSC)]).source()
    unclear, base = source.fetch_many([request(SOMEWHERE), request(BASE)])
    assert unclear.is_refused
    assert unclear.rejections[0].reason == "its address has candles on base and bsc; the call does not say which"
    assert minutes_of(base.candles) == [1]


def test_a_chain_that_nobody_knows_is_named_instead_of_passing_for_silence(engine: Engine) -> None:
    engine.filled([row(1, chain="sol-main"), row(2, BASE, chain="evm")])
    solana, base = engine.source().fetch_many([request(), request(BASE)])
    assert (solana.is_refused, base.is_refused) == (True, True)
    assert "'sol-main'" in solana.rejections[0].reason
    answer = engine.source(chains={"sol-main": "solana"}).fetch(request())
    assert minutes_of(answer.candles) == [1]


def test_a_known_other_chain_of_the_same_address_is_another_token(engine: Engine) -> None:
    engine.filled([*edges(), row(1, BASE)])
    assert engine.source().fetch(request(BSC)).is_unknown
    assert engine.source(silence="table").fetch(request(BSC)).spans == (span(0, 100),)
    engine.filled([*edges(0, 500), row(1, BASE), row(300, BSC)])
    assert engine.source().fetch(request(BSC)).spans == (span(0, 100),)


def test_a_table_kept_by_pool_is_asked_by_pool(engine: Engine) -> None:
    types = {"pair": "String", **{name: kind for name, kind in PLAIN.items() if name != "token_address"}}
    pool = "PooL1111111111111111111111111111111111111111"
    rows = [{"pair": pool, **{name: value for name, value in row(1).items() if name != "token_address"}}]
    engine.filled(rows, types=types, engine="ENGINE = MergeTree ORDER BY (pair, timestamp)")
    source = engine.source(columns={"pool": "pair"})
    by_pool, without = source.fetch_many([request(pool_address=pool), request(OTHER)])
    assert (minutes_of(by_pool.candles), by_pool.candles["token_address"].to_pylist()) == ([1], [TOKEN.address])
    assert without.is_unknown


PRICES = ("open", "high", "low", "close")


def test_numbers_of_other_types_become_the_nearest_double(engine: Engine) -> None:
    kinds = ("Decimal(60, 20)", "String", "LowCardinality(String)", "Nullable(String)", "Decimal(76, 20)")
    types = {**PLAIN, **dict(zip((*PRICES, "volume"), kinds, strict=True))}
    written = ("0.1", "123456789.123456789123", "0.000000000000000123", "98765432109876543.21", "3.3")
    rows = [row(n, **dict.fromkeys(PRICES, text), volume=text) for n, text in enumerate(written)]
    candles = engine.filled(rows, types=types).source().fetch(request()).candles
    for name in (*PRICES, "volume"):
        assert candles[name].to_pylist() == [float(text) for text in written], name


def test_a_price_in_text_that_is_no_number_is_rejected_and_the_others_stay(engine: Engine) -> None:
    types = {**PLAIN, "open": "String"}
    answer = engine.filled([row(1, open="2"), row(2, open="2,5"), row(3, open="")], types=types).source()
    found = answer.fetch(request())
    assert minutes_of(found.candles) == [1]
    assert [(one.rule_id, one.reason[:14]) for one in found.rejections] == [
        ("number_unreadable", "open '2,5' is "),
        ("price_not_finite", "a price is mis"),
    ]


def test_missing_values_are_missing_and_a_minute_of_missing_values_is_no_candle(engine: Engine) -> None:
    types = {**PLAIN, **dict.fromkeys((*PRICES, "volume"), "Nullable(Float64)")}
    nothing = dict.fromkeys((*PRICES, "volume"))
    answer = engine.filled([row(1, volume=None), row(2, **nothing)], types=types).source().fetch(request())
    assert (minutes_of(answer.candles), list(volumes_of(answer.candles)), answer.rejections) == ([1], [None], ())


def test_an_integer_that_no_double_holds_is_refused_and_others_are_exact(engine: Engine) -> None:
    types = {**PLAIN, "volume": "UInt64"}
    engine.filled([row(1, volume=2**53)], types=types)
    assert list(volumes_of(engine.source().fetch(request()).candles)) == [float(2**53)]
    engine.filled([row(1, volume=2**53 + 1)], types=types)
    with pytest.raises(CandleSourceError, match="volume has an integer that no float64 holds exactly"):
        engine.source().fetch(request())


@pytest.mark.parametrize(
    "kind", ["DateTime('Asia/Tokyo')", "DateTime64(3)", "DateTime64(9, 'America/New_York')", "Nullable(DateTime)"]
)
def test_times_are_instants_whatever_the_columns_zone_and_precision(engine: Engine, kind: str) -> None:
    how: dict[str, Any] = {"types": {**PLAIN, "timestamp": kind}, "engine": "ENGINE = MergeTree ORDER BY token_address"}
    answer = engine.filled([row(0), row(99), row(100), row(-1)], **how).source().fetch(request())
    assert minutes_of(answer.candles) == [0, 99]


def test_a_time_between_two_microseconds_is_no_candle_time(engine: Engine) -> None:
    types = {**PLAIN, "timestamp": "DateTime64(9, 'UTC')"}
    with embedded(engine.folder) as client:
        fill(client, [row(1)], types=types, engine="ENGINE = MergeTree ORDER BY token_address")
        client.command(
            "INSERT INTO quantbot.ohlcv_candles SELECT * REPLACE (addNanoseconds(timestamp, 60000000001) AS timestamp) "
            "FROM quantbot.ohlcv_candles"
        )
    answer = engine.source().fetch(request())
    assert minutes_of(answer.candles) == [1]
    assert [one.rule_id for one in answer.rejections] == ["time_unaligned"]


def test_the_zone_of_the_machine_changes_nothing(engine: Engine) -> None:
    engine.filled([row(0), row(99), row(100), row(-1)])
    program = (
        "import sys; from quantlab_tests.resources.candles.clickhouse.candle_databases import *; "
        "print(minutes_of(source_at(sys.argv[1]).fetch(request()).candles))"
    )
    asked = subprocess.run(
        [sys.executable, "-c", program, engine.url],
        env={**os.environ, "TZ": "Pacific/Auckland", "PYTHONPATH": str(Path(__file__).parents[4])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == "[0, 99]"


@pytest.mark.parametrize(
    ("column", "kind"),
    [("open", "UInt256"), ("timestamp", "String"), ("timestamp", "UInt64"), ("token_address", "FixedString(44)"),
     ("interval", "Float64"), ("close", "Array(Float64)"), ("chain", "UInt8"), ("volume", "DateTime")],
)  # fmt: skip
def test_a_column_that_cannot_be_read_exactly_is_refused_by_name(engine: Engine, column: str, kind: str) -> None:
    engine.filled([], types={**PLAIN, column: kind}, engine="ENGINE = MergeTree ORDER BY tuple()")
    with pytest.raises(CandleSourceError) as refused:
        engine.source().fetch(request())
    assert f"column '{column}'" in str(refused.value)
    assert kind in str(refused.value)
    assert "\n" not in str(refused.value)


HOSTILE = "ti`me\\ {keys:String} %(x)s -- '\"; DROP"


def test_hostile_names_of_columns_and_tables_stay_names(engine: Engine) -> None:
    quoted = "`" + HOSTILE.replace("\\", "\\\\").replace("`", "\\`") + "`"
    named = {HOSTILE if name == "timestamp" else name: value for name, value in row(1).items()}
    with embedded(engine.folder) as client:
        fill(client, [row(1)], table="quantbot.plain")
        client.command(
            f"CREATE VIEW quantbot.{quoted} AS SELECT * EXCEPT timestamp, timestamp AS {quoted} FROM quantbot.plain"  # noqa: S608
        )
    answer = engine.source(table=HOSTILE, columns={"timestamp": HOSTILE}).fetch(request())
    assert minutes_of(answer.candles) == [1]
    assert HOSTILE in named


@pytest.mark.parametrize("name", ["quantlab_0", "quantlab__2"])
def test_a_column_with_the_name_of_an_alias_is_the_column(engine: Engine, name: str) -> None:
    types = {name if column == "timestamp" else column: kind for column, kind in PLAIN.items()}
    rows = [
        {name if column == "timestamp" else column: value for column, value in row(n).items()} for n in (-1, 0, 99, 100)
    ]
    engine.filled(rows, types=types, engine="ENGINE = MergeTree ORDER BY token_address")
    assert minutes_of(engine.source(columns={"timestamp": name}).fetch(request()).candles) == [0, 99]


def test_hostile_addresses_are_values_and_nothing_else(engine: Engine) -> None:
    addresses = ("'", "\\", "a' OR '1'='1", "x\n\t", "{keys:Array(String)}", "%s", "%(keys)s", "0x' or 1=1 --", "`")
    tokens = [Token("solana", address) for address in addresses]
    source = engine.filled([row(n, token) for n, token in enumerate([TOKEN, *tokens])]).source()
    answers = source.fetch_many([request(token) for token in [TOKEN, *tokens]], asked_by="'; DROP TABLE x --\n")
    assert [minutes_of(answer.candles) for answer in answers] == [[n] for n in range(len(tokens) + 1)]


def test_a_missing_column_is_named_with_what_there_is(engine: Engine) -> None:
    types = {name: kind for name, kind in PLAIN.items() if name != "chain"}
    engine.filled([], types=types, engine="ENGINE = MergeTree ORDER BY token_address")
    with pytest.raises(CandleSourceError, match=r"has no column 'chain' for its chain; it has close, high"):
        engine.source().fetch(request())


def test_volume_may_be_missing_but_not_where_it_was_named(engine: Engine) -> None:
    types = {name: kind for name, kind in PLAIN.items() if name != "volume"}
    plain = {name: value for name, value in row(1).items() if name != "volume"}
    engine.filled([plain], types=types)
    assert list(volumes_of(engine.source().fetch(request()).candles)) == [None]
    with pytest.raises(CandleSourceError, match="no column 'volume_usd'"):
        engine.source(columns={"volume": "volume_usd"}).fetch(request())


def test_a_database_with_both_tables_asks_which_one_is_meant(engine: Engine) -> None:
    engine.filled([row(1)])
    engine.filled([graded_row(2, 1, 1)], table=GRADED_TABLE, types=GRADED, engine=GRADED_ENGINE)
    with pytest.raises(CandleSourceError, match="has ohlcv_candles and ohlcv_candles_1m; say which"):
        engine.source().fetch(request())
    assert minutes_of(engine.source(table="ohlcv_candles_1m").fetch(request()).candles) == [2]


def test_a_database_without_candles_and_a_folder_that_is_not_there_are_named(engine: Engine, tmp_path: Path) -> None:
    engine.command("SELECT 1")
    with pytest.raises(CandleSourceError, match="has no table ohlcv_candles or ohlcv_candles_1m"):
        engine.source().fetch(request())
    gone = tmp_path / "gone"
    with pytest.raises(CandleSourceError, match="no such folder"):
        source_at(f"chdb://{gone}").holds_any()
    assert not gone.exists()


def test_an_empty_table_holds_nothing(engine: Engine) -> None:
    source = engine.filled([]).source()
    assert (source.holds_any(), source.resolutions(), source.fetch_many([])) == (False, (), [])
    assert engine.filled([row(1)]).source().holds_any()


def test_the_engine_is_let_go_so_that_another_process_can_have_the_folder(engine: Engine) -> None:
    source = engine.filled([row(1)]).source()
    assert source.fetch(request()).candles.num_rows == 1
    program = (
        "import sys; from quantlab_tests.resources.candles.clickhouse.candle_databases import *; "
        "print(source_at(sys.argv[1]).fetch(request()).candles.num_rows)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    asked = subprocess.run(
        [sys.executable, "-c", program, engine.url], env=environment, capture_output=True, text=True, check=False
    )
    assert asked.stdout.strip() == "1", asked.stderr
    with embedded(engine.folder):
        held = subprocess.run(
            [sys.executable, "-c", program, engine.url], env=environment, capture_output=True, text=True, check=False
        )
    assert "no whole answer in 4 attempts (the embedded engine did not open)" in held.stderr
    assert "another process may have the folder open" in held.stderr


def test_an_answer_beyond_the_limit_is_refused_and_not_cut(engine: Engine) -> None:
    with embedded(engine.folder) as client:
        fill(client)
        client.command(
            f"INSERT INTO quantbot.ohlcv_candles SELECT '{TOKEN.address}', 'solana', "  # noqa: S608
            f"{int(T0.timestamp())} + 60 * number, 60, 2, 4, 1, 3, 10 FROM numbers(40000)"
        )
    asked = request(end=40_000)
    with pytest.raises(CandleSourceError, match="raise max_answer_mib"):
        engine.source(max_answer_mib=1, clock=FixedClock(minute(50_000))).fetch(asked)
    assert engine.source(clock=FixedClock(minute(50_000))).fetch(asked).candles.num_rows == 40_000


def test_many_tokens_are_asked_in_parts_and_answered_in_their_order(engine: Engine) -> None:
    tokens = [Token("solana", f"Token{number:039d}") for number in range(1_203)]
    source = engine.filled([row(number % 90, token) for number, token in enumerate(tokens)]).source()
    answers = source.fetch_many([request(token) for token in (*tokens, tokens[0])])
    assert [minutes_of(answer.candles) for answer in answers] == [[number % 90] for number in (*range(1_203), 0)]


def test_an_address_that_is_none_is_refused_without_showing_a_password() -> None:
    secret = "hunter2"  # noqa: S105
    for url in (
        f"clickhouse://me:{secret}@host/db", f"clickhouse://me:{secret}@host:99999/db", "clickhouse:///db",
        "clickhouse://h/a/b", "clickhouse://h/db?secure=maybe", "clickhouse://h/db?ca=1", "chdb://folder/x", "chdb:///",
    ):  # fmt: skip
        with pytest.raises(InvalidInputError) as refused:
            parse_address(url)
        assert secret not in str(refused.value)
        assert secret not in repr(refused.value.__cause__)


def test_an_address_has_the_usual_ports_and_shows_itself_whole() -> None:
    assert parse_address("clickhouse://h").shown == "clickhouse://default@h:8123/quantbot"
    assert parse_address("clickhouse://me%40x@[::1]/db?secure=1").shown == "clickhouse://me@x@[::1]:8443/db"
    assert parse_address("chdb:///a/b%20c?database=x").shown == "chdb:///a/b c"
    assert math.isclose(parse_address("clickhouse://h:1/db").port, 1)
