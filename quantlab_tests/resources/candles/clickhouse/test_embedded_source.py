"""The embedded engine itself: its folder, its addresses, answers that are large or many."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quantlab_core.errors import CandleSourceError, InvalidInputError
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.clickhouse_address import parse_address
from quantlab_tests.core.candles.candle_tables import T0, TOKEN, minute
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    FixedClock,
    embedded,
    fill,
    minutes_of,
    request,
    row,
)
from quantlab_tests.resources.candles.clickhouse.embedded_engine import Engine


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
