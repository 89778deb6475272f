"""Port of candle sources: files that were imported, ClickHouse, and whatever comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from quantlab_core.candles.source_spans import SourceSpan


@dataclass(frozen=True, slots=True)
class CandleRequest:
    """Candles of one token in [start, end), UTC."""

    token_address: str
    chain: str
    resolution: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class SourcedCandles:
    """A source's answer to one request.

    ``candles`` has the candle schema, closed candles only, sorted by ``ts`` without duplicates. ``spans`` says for
    which part of the request the source was asked and answered: inside it silence is data, outside nothing is known.
    ``input_artifact_ids`` are the artifacts that the candles were read from. ``conflicting_candles`` counts candles
    that lost to another one of the same minute with other values. The units of an answer without spans are "unknown".
    """

    candles: pa.Table
    spans: tuple[SourceSpan, ...]
    source: str
    price_unit: str
    volume_unit: str
    input_artifact_ids: tuple[str, ...] = ()
    conflicting_candles: int = 0


class CandleSource(Protocol):
    """Where candles come from."""

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        """The candles of one token. A token that the source does not know gives no candles and no span."""
        ...

    def fetch_many(self, requests: Sequence[CandleRequest]) -> list[SourcedCandles]:
        """The same for many requests, in their order, with as few queries as the source allows."""
        ...
