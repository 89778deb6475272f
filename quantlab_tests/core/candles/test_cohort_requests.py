"""What a source is asked for one day, and in which resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from quantlab_core.alerts.artifact_types import ALERTS
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CandleRequest, RejectedCandle, SourcedCandles
from quantlab_core.candles.cohort_requests import cohort_requests
from quantlab_core.candles.finest_candles import AnsweredRequest, fetch_finest
from quantlab_core.candles.slice_coverage import SliceCoverage, slice_coverage
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import candle, minute, series

DAY = date(2025, 5, 1)
OWL, FOX = Token("solana", "Owl"), Token("base", "0xfox")


def alerts(*calls: tuple[Token, str, str, int]) -> pa.Table:
    """Calls as (token, what was written, its kind, hour)."""
    rows = [
        {
            "alert_ts_utc": datetime(2025, 5, 1, hour, tzinfo=UTC),
            "alert_id": f"alert-{number}",
            "chain": token.chain,
            "mint": token.address,
            "called_address": written,
            "address_kind": kind,
            "mint_source": "text",
            "alert_chat_id": 1,
            "alert_message_id": number,
            "token_proven_at_call": True,
        }
        for number, (token, written, kind, hour) in enumerate(calls)
    ]
    return pa.Table.from_pylist(rows, schema=ALERTS.schema)


def test_each_token_of_the_day_is_asked_for_once_over_the_window_of_the_day() -> None:
    tables = [alerts((OWL, "Owl", "token", 3), (OWL, "Owl", "token", 5)), alerts((FOX, "0xfox", "token", 1))]
    start, end = datetime(2025, 4, 30, 20, tzinfo=UTC), datetime(2025, 5, 4, tzinfo=UTC)
    assert cohort_requests(DAY, tables) == {
        FOX: CandleRequest("0xfox", "base", "1m", start, end),
        OWL: CandleRequest("Owl", "solana", "1m", start, end),
    }


@pytest.mark.parametrize(
    ("calls", "pool"),
    [
        ([("Owl", "token", 3)], None),
        ([("PoolA", "pool", 3)], "PoolA"),
        ([("Maybe", "pool_or_token", 1), ("PoolB", "pool", 9)], "PoolB"),
        ([("PoolB", "pool", 9), ("PoolA", "pool", 11)], "PoolB"),
        ([("PoolB", "pool", 9), ("PoolA", "pool", 9)], "PoolA"),
        ([("Contract", "presale_contract", 3)], None),
    ],
)
def test_the_pool_that_a_call_named_goes_with_the_request(calls: list[tuple[str, str, int]], pool: str | None) -> None:
    for order in (calls, calls[::-1]):
        requests = cohort_requests(DAY, [alerts(*((OWL, *call) for call in order))])
        assert requests[OWL].pool_address == pool


@dataclass
class Source:
    """A source that holds candles of these resolutions by token, and remembers what it was asked."""

    holds: dict[str, set[str]]
    refuses: frozenset[str] = frozenset()
    asked: list[tuple[str, list[str], str]] = field(default_factory=list)

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        (resolution,) = {request.resolution for request in requests}
        self.asked.append((resolution, [request.token_address for request in requests], asked_by))
        return [self.answer(request) for request in requests]

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        return self.answer(request)

    def holds_any(self) -> bool:
        return bool(self.holds)

    def fingerprint(self) -> str:
        return "test"

    def answer(self, request: CandleRequest) -> SourcedCandles:
        none = SourcedCandles(CANDLE_SCHEMA.empty_table(), (), "test", "unknown", "unknown")
        if request.token_address in self.refuses:
            row = RejectedCandle(request.token_address, request.chain, None, "units_contradict", 1, "two units", "{}")
            return replace(none, rejections=(row,))
        if request.resolution not in self.holds.get(request.token_address, set()):
            return none
        return replace(none, spans=(SourceSpan(request.start, request.end),))


def request(address: str) -> CandleRequest:
    return CandleRequest(address, "solana", "1m", minute(0), minute(60))


def finest(source: Source, *tokens: str, published: Sequence[tuple[str, str]] = (), **more: Any) -> list[Any]:
    answers = fetch_finest(
        source,
        [request(token) for token in tokens],
        more.get("resolutions", ["4h", "1m", "5m"]),
        is_published=lambda asked: (asked.token_address, asked.resolution) in published,
        asked_by="run-7",
    )
    return [(a.request.token_address, a.request.resolution, bool(a.sourced.spans)) for a in answers]


def test_of_each_token_the_finest_candles_are_taken_and_coarser_ones_are_not_asked_for() -> None:
    source = Source({"owl": {"1m", "5m"}, "fox": {"5m", "4h"}, "elk": {"4h"}})
    assert finest(source, "owl", "fox", "elk", "hen") == [("owl", "1m", True), ("fox", "5m", True), ("elk", "4h", True)]
    assert source.asked == [
        ("1m", ["owl", "fox", "elk", "hen"], "run-7"),
        ("5m", ["fox", "elk", "hen"], "run-7"),
        ("4h", ["elk", "hen"], "run-7"),
    ]


def test_what_was_published_is_asked_for_again_also_when_nothing_is_left_of_it() -> None:
    source = Source({"owl": {"1m"}})
    published = [("owl", "5m"), ("fox", "1m")]
    assert finest(source, "owl", "fox", published=published) == [
        ("owl", "1m", True), ("fox", "1m", False), ("owl", "5m", False),
    ]  # fmt: skip


def test_a_token_that_is_refused_is_not_asked_for_in_coarser_candles() -> None:
    source = Source({"owl": {"5m"}}, refuses=frozenset({"owl"}))
    (answer,) = fetch_finest(source, [request("owl")], ["1m", "5m"], is_published=lambda _: False)
    assert answer == AnsweredRequest(request("owl"), source.answer(request("owl")))
    assert answer.sourced.is_refused
    assert not answer.sourced.is_unknown
    assert [resolution for resolution, *_ in source.asked] == ["1m"]


@pytest.mark.parametrize(("names", "said"), [(["1m", "2m"], "'2m' is no candle resolution"), ([], "an empty list")])
def test_resolutions_that_do_not_exist_are_refused(names: list[str], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        finest(Source({}), "owl", resolutions=names)


def test_the_coverage_of_a_slice_counts_whole_intervals_asked_for_present_and_traded() -> None:
    """Of 60 minutes the source was asked for [5, 25) and [30, 90): 20 + 30. Minutes 25 and 27 lie in no span."""
    table = series(
        [candle(5), candle(25), candle(27), candle(31, volume=0.0), candle(40, volume=None), candle(75)],
        [(5, 25), (30, 90)],
    )
    assert slice_coverage(table, minute(0), minute(60)) == SliceCoverage(60, 50, 3, 1)
    assert slice_coverage(series([]), minute(0), minute(60)) == SliceCoverage(60, 0, 0, 0)
