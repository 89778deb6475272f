"""Which row becomes the candle of a minute, and which becomes none."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from quantlab_tests.core.candles.candle_tables import TOKEN, minute
from quantlab_tests.resources.candles.clickhouse.candle_databases import (
    GRADED,
    GRADED_ENGINE,
    FixedClock,
    embedded,
    fill,
    graded_row,
    literal,
    minutes_of,
    request,
    row,
    volumes_of,
)
from quantlab_tests.resources.candles.clickhouse.embedded_engine import GRADED_TABLE, Engine, span

NEVER_MERGED = "SETTINGS max_bytes_to_merge_at_max_space_in_pool = 1, max_bytes_to_merge_at_min_space_in_pool = 1"


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
