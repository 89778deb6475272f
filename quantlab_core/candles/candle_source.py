"""Port of candle sources: files that were imported, ClickHouse, and whatever comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from quantlab_core.candles.source_spans import SourceSpan

IMPORTED_FILES = "file"
"""What a slice states as its source where imported files answered."""

ASKED_OF = "asked_of"
"""Parameter of a publication: the fingerprint of the source that was asked."""

UNITS_CONTRADICT = "units_contradict"
"""Rule of `validation.RULES` by which a source does not answer for a token: what it holds is in different units."""
CHAIN_UNCLEAR = "chain_unclear"
"""Rule of `validation.RULES` by which it does not: it cannot be told which chain's candles are the token's."""


@dataclass(frozen=True, slots=True)
class CandleRequest:
    """Candles of one token in [start, end), UTC.

    ``pool_address`` is the pool that a call named, where one is known: for sources whose candles are kept by pool.
    """

    token_address: str
    chain: str
    resolution: str
    start: datetime
    end: datetime
    pool_address: str | None = None


@dataclass(frozen=True, slots=True)
class RejectedCandle:
    """A row of a source that is no candle: the rule of `validation` that it breaks, and the row itself as JSON."""

    token_address: str
    chain: str
    ts: datetime | None
    rule_id: str
    rule_version: int
    reason: str
    payload: str


@dataclass(frozen=True, slots=True)
class SourcedCandles:
    """A source's answer to one request.

    ``candles`` has the candle schema, closed candles only, sorted by ``ts`` without duplicates. ``spans`` says for
    which part of the request the source was asked and answered: inside it silence is data, outside nothing is known.
    ``input_artifact_ids`` are the artifacts that the candles were read from. ``conflicting_candles`` counts candles
    that lost to another one of the same minute with other values. The units of an answer without spans are "unknown".
    ``rejections`` are the rows that were no candles; files have theirs quarantined when they are imported. A token for
    which the source cannot answer has neither candles nor spans, and a rejection that says why (`UNITS_CONTRADICT`,
    `CHAIN_UNCLEAR`).
    """

    candles: pa.Table
    spans: tuple[SourceSpan, ...]
    source: str
    price_unit: str
    volume_unit: str
    input_artifact_ids: tuple[str, ...] = ()
    conflicting_candles: int = 0
    rejections: tuple[RejectedCandle, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether the source knows nothing of the token."""
        return not (self.candles.num_rows or self.spans or self.rejections)

    @property
    def is_refused(self) -> bool:
        """Whether the source holds something of the token and could not answer: what was known before stays."""
        return bool(self.rejections) and not (self.candles.num_rows or self.spans)


class CandleSource(Protocol):
    """Where candles come from."""

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        """The candles of one token. A token that the source does not know gives no candles and no span."""
        ...

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        """The same for many requests, in their order, with as few queries as the source allows.

        ``asked_by`` says who asks (the id of a run), for sources that keep a log of queries. Raises CandleSourceError
        when the source did not answer in full.
        """
        ...

    def holds_any(self) -> bool:
        """Whether there is anything to ask; where not, nothing need be materialized."""
        ...

    def fingerprint(self) -> str:
        """What would answer now: another source has another one, and so have files of which there are others now.

        What was asked for in vain counts for one fingerprint only. A database whose rows change keeps its own.
        """
        ...
