"""Numbers and times of other types: read exactly or refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quantlab_core.errors import CandleSourceError
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    PLAIN,
    embedded,
    fill,
    minutes_of,
    request,
    row,
    volumes_of,
)
from quantlab_tests.resources.candles.clickhouse.embedded_engine import Engine

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
