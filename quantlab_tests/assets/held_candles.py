"""A candle source that holds what a test gives it, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CandleRequest, RejectedCandle, SourcedCandles
from quantlab_core.candles.source_spans import SourceSpan, clip_spans
from quantlab_core.errors import CandleSourceError


@dataclass
class HeldCandles:
    """Candles (rows of the candle schema) and one span by (address, resolution); whatever it says is in US dollars."""

    span: SourceSpan
    candles: dict[tuple[str, str], list[dict[str, object]]] = field(default_factory=dict)
    rejections: dict[str, tuple[RejectedCandle, ...]] = field(default_factory=dict)
    fails: bool = False
    name: str = "test"
    asked: list[CandleRequest] = field(default_factory=list)
    asked_by: set[str] = field(default_factory=set)

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        return self.fetch_many([request])[0]

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        if self.fails:
            raise CandleSourceError("the source hung up after 3 rows; nothing was stored, ask again")
        self.asked += requests
        self.asked_by.add(asked_by)
        return [self._answer(request) for request in requests]

    def holds_any(self) -> bool:
        return bool(self.candles)

    def fingerprint(self) -> str:
        return self.name

    def _answer(self, request: CandleRequest) -> SourcedCandles:
        held = self.candles.get((request.token_address, request.resolution))
        if held is None:
            return SourcedCandles(CANDLE_SCHEMA.empty_table(), (), self.name, "unknown", "unknown")
        table = pa.Table.from_pylist(held, schema=CANDLE_SCHEMA).sort_by("ts")
        within = pc.and_(
            pc.greater_equal(table["ts"], pa.scalar(request.start, table["ts"].type)),
            pc.less(table["ts"], pa.scalar(request.end, table["ts"].type)),
        )
        spans = clip_spans([self.span], request.start, request.end)
        rejections = self.rejections.get(request.token_address, ())
        return SourcedCandles(table.filter(within), spans, self.name, "usd", "usd", rejections=rejections)
