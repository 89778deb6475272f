"""What is known of a time and a token: candles, silence, or nothing at all."""

from __future__ import annotations

import pytest

from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CHAIN_UNCLEAR
from quantlab_core.candles.epoch_time import EPOCH
from quantlab_core.candles.validation import RULES
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.candle_queries import resolution_of
from quantlab_tests.core.candles.candle_tables import T0, TOKEN
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    BASE,
    BSC,
    EDGE,
    PLAIN,
    edges,
    minutes_of,
    request,
    row,
)
from quantlab_tests.resources.candles.clickhouse.embedded_engine import OTHER, Engine, span


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
