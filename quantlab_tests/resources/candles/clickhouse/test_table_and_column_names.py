"""Which table and columns are read, whatever their names are."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantlab_core.errors import CandleSourceError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import TOKEN
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    GRADED,
    GRADED_ENGINE,
    PLAIN,
    embedded,
    fill,
    graded_row,
    minutes_of,
    request,
    row,
    source_at,
    volumes_of,
)
from quantlab_tests.resources.candles.clickhouse.embedded_engine import GRADED_TABLE, Engine

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
