"""The candle source over ClickHouse: one query per window for all tokens, whole answers or none."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from quantlab_core.alerts.addresses import EVM, normalise_chain
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CandleRequest, RejectedCandle, SourcedCandles
from quantlab_core.candles.epoch_time import EPOCH, epoch_microseconds, iso_text
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.token_series import UNKNOWN_UNIT
from quantlab_core.clock import Clock
from quantlab_core.token import EVM_CHAINS, EVM_UNKNOWN, SOLANA
from quantlab_resources.candles.clickhouse.answer_rows import AnswerRows, AskedRows, TokenCandles
from quantlab_resources.candles.clickhouse.candle_queries import (
    CHAIN,
    KEY,
    Query,
    candle_key,
    candles_query,
    holds_any_query,
    intervals_query,
    presence_query,
    resolution_of,
)
from quantlab_resources.candles.clickhouse.candle_table import CandleTable, find_candle_table
from quantlab_resources.candles.clickhouse.clickhouse_config import CONFIG_VARIABLE, ClickHouseConfig
from quantlab_resources.candles.clickhouse.clickhouse_connection import ClickHouseConnection

SOURCE_NAME = "clickhouse"
CHAIN_UNCLEAR = "chain_unclear"
"""Rule (version 1) by which the source does not answer for a token: it cannot be told which chain's candles are its."""
MOST_KEYS = 1_000
"""Tokens of one query: their names must fit into a field of a form (128 KiB on the server)."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What can be asked in one query: candles of one resolution in one span, by one column (``role``)."""

    role: str
    resolution: str
    span: SourceSpan


class ClickHouseCandleSource:
    """Answers from one candle table of a ClickHouse server or of the embedded engine.

    Requests for the same window and resolution are one query (1,000 tokens at most). A token without candles has an
    empty table and its span: the source was asked, and silence is data. There is no span where the table has no
    candles of the resolution at all, nor for a token that has candles of other lengths only: of its minutes the source
    knows nothing. Spans and candles end at the last candle that closed ``settle_seconds`` ago.

    Rows of one minute: the higher quality stays, then the later ingestion, where the table has these columns, else and
    then `duplicate_candles` decides. A call on ``evm_unknown`` is answered from the one EVM chain that has its address;
    of several none is guessed, and the answer's rejection names them. Where the table is kept by pool
    (``columns.pool``), requests that name one are asked by it.

    What the table looks like is asked once per source; which resolutions it holds is asked again when one is missing.
    """

    def __init__(self, connection: ClickHouseConnection, config: ClickHouseConfig, *, clock: Clock) -> None:
        self._connection = connection
        self._config = config
        self._clock = clock
        self._table: CandleTable | None = None
        self._spellings: dict[str, list[str]] = {}
        self._chains = {written.strip().lower(): chain for written, chain in config.chains.items()}

    def fetch(self, request: CandleRequest) -> SourcedCandles:
        """The candles of one token, as `CandleSource.fetch`."""
        return self.fetch_many([request])[0]

    def holds_any(self) -> bool:
        """Whether the table has any row. Raises CandleSourceError when it cannot be asked."""
        with self._connection:
            return self._ask(holds_any_query(self._found_table("")), "").num_rows > 0

    def fingerprint(self) -> str:
        """Of the address and the table's name, hashed, since an address is nobody's business but its owner's."""
        address = self._connection.address
        where = f"{address.shown}\n{address.database}\n{self._config.table or ''}"
        return f"{SOURCE_NAME} {hashlib.sha256(where.encode()).hexdigest()}"

    def resolutions(self) -> tuple[str, ...]:
        """Resolutions of which the table holds candles, the finest first."""
        with self._connection:
            self._ask_spellings("")
            return tuple(name for name in RESOLUTIONS if name in self._spellings)

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        """The answers in the order of the requests. ``asked_by`` stands in the server's log of queries."""
        now = self._clock.now()
        answers: list[SourcedCandles | None] = [None] * len(requests)
        windows: dict[_Window, list[int]] = defaultdict(list)
        with self._connection:
            table = self._found_table(asked_by) if requests else None
            for position, request in enumerate(requests):
                window = self._window(table, request, now) if table is not None else None
                if window is not None:
                    windows[window].append(position)
            for window, positions in windows.items():
                if table is None or not self._spelled(window.resolution, asked_by):
                    continue
                for part in _parts(positions, [_key(window, requests[position]) for position in positions]):
                    asked = [requests[position] for position in part]
                    for position, answer in zip(part, self._answers(table, window, asked, asked_by), strict=True):
                        answers[position] = answer
        return [answer or self._nothing() for answer in answers]

    def _answers(
        self, table: CandleTable, window: _Window, requests: Sequence[CandleRequest], asked_by: str
    ) -> list[SourcedCandles]:
        keys = sorted({_key(window, request) for request in requests})
        numbers = {key: number for number, key in enumerate(keys, 1)}
        column = table.columns[window.role]
        query = candles_query(table, column, keys, self._spellings[window.resolution], window.span)
        answer = self._ask(query, asked_by)
        rows = AnswerRows(answer, subject=f"{self._connection.address.shown}: table {table.name!r}")
        silent = [key for key in keys if not rows.chains_of(numbers[key])]
        elsewhere = self._held_otherwise(table, window, silent, asked_by)
        answers: list[SourcedCandles | None] = []
        asked: list[AskedRows] = []
        for request in requests:
            key = _key(window, request)
            written = rows.chains_of(numbers[key])
            chosen, unclear = self._choose(request, written or elsewhere.get(key, set()))
            if unclear:
                answers.append(self._nothing(_refusal(request, unclear)))
            elif chosen and not written:
                answers.append(self._nothing())
            else:
                asked.append(AskedRows(numbers[key], tuple(sorted(chosen)), request))
                answers.append(None)
        found = iter(rows.candles_of(asked, closed_until=window.span.end))
        return [answer or self._sourced(next(found), window) for answer in answers]

    def _sourced(self, found: TokenCandles, window: _Window) -> SourcedCandles:
        return SourcedCandles(
            candles=found.candles,
            spans=(window.span,),
            source=SOURCE_NAME,
            price_unit=self._config.price_unit,
            volume_unit=self._config.volume_unit,
            conflicting_candles=found.conflicting,
            rejections=found.rejections,
        )

    def _held_otherwise(
        self, table: CandleTable, window: _Window, keys: Sequence[str], asked_by: str
    ) -> dict[str, set[str]]:
        """Of keys without candles of this resolution those that have candles of others in the window, with chains."""
        others = [
            spelling for name, found in self._spellings.items() if name != window.resolution for spelling in found
        ]
        if not keys or not others:
            return {}
        query = presence_query(table, table.columns[window.role], keys, others, window.span)
        held: dict[str, set[str]] = defaultdict(set)
        for row in self._ask(query, asked_by).to_pylist():
            held[keys[row[KEY] - 1]].add(row[CHAIN] or "")
        return held

    def _choose(self, request: CandleRequest, written: Collection[str]) -> tuple[set[str], str]:
        """Which of the table's own chain names are the request's, or why that cannot be told."""
        known: dict[str, set[str]] = defaultdict(set)
        for name in written:
            known[self._chain(name)].add(name)
        named = sorted(set(known) - {EVM_UNKNOWN, SOLANA, ""})
        if request.chain == EVM_UNKNOWN:
            if len(named) > 1:
                return set(), f"its address has candles on {' and '.join(named)}; the call does not say which"
            return {name for chain in (*named, EVM_UNKNOWN) for name in known.get(chain, ())}, ""
        if request.chain in known:
            return known[request.chain], ""
        strange = [chain for chain in known if request.chain == SOLANA or chain not in EVM_CHAINS - {EVM_UNKNOWN}]
        if not strange:
            return set(), ""
        names = " and ".join(sorted(repr(name) for chain in strange for name in known[chain]))
        return set(), (
            f"its candles are on a chain that the table calls {names}; "
            f"say which that is under `chains:` in the file that {CONFIG_VARIABLE} names"
        )

    def _chain(self, written: str) -> str:
        """The chain that the table's own name means; rows of the earlier system on some EVM chain say ``evm``."""
        name = self._chains.get(written.strip().lower()) or normalise_chain(written)
        return EVM_UNKNOWN if name == EVM else name

    def _window(self, table: CandleTable, request: CandleRequest, now: datetime) -> _Window | None:
        """The query that a request belongs to, up to the last closed candle; None where there is nothing to ask."""
        step = RESOLUTIONS.get(request.resolution)
        if step is None:
            return None
        settled = now - timedelta(seconds=self._config.settle_seconds)
        span = SourceSpan(request.start, min(request.end, settled - (settled - EPOCH) % step))
        role = "pool" if "pool" in table.columns and request.pool_address else "token_address"
        return _Window(role, request.resolution, span) if span.start < span.end and role in table.columns else None

    def _found_table(self, asked_by: str) -> CandleTable:
        if self._table is None:
            self._table = find_candle_table(self._connection, self._config, asked_by=asked_by)
        return self._table

    def _spelled(self, resolution: str, asked_by: str) -> bool:
        """Whether the table holds candles of this resolution."""
        if resolution not in self._spellings:
            self._ask_spellings(asked_by)
        return resolution in self._spellings

    def _ask_spellings(self, asked_by: str) -> None:
        query = intervals_query(self._found_table(asked_by))
        spellings: dict[str, list[str]] = defaultdict(list)
        for row in self._ask(query, asked_by).to_pylist():
            resolution = resolution_of(row["spelling"] or "")
            if resolution is not None:
                spellings[resolution].append(row["spelling"])
        self._spellings = dict(spellings)

    def _ask(self, query: Query, asked_by: str) -> pa.Table:
        answer = self._connection.query(query.sql, query.parameters, asked_by=asked_by)
        return answer.rename_columns(list(query.names))

    def _nothing(self, *rejections: RejectedCandle) -> SourcedCandles:
        return SourcedCandles(
            CANDLE_SCHEMA.empty_table(), (), SOURCE_NAME, UNKNOWN_UNIT, UNKNOWN_UNIT, rejections=rejections
        )


def _key(window: _Window, request: CandleRequest) -> str:
    return candle_key((request.pool_address or "") if window.role == "pool" else request.token_address)


def _parts(positions: Sequence[int], keys: Sequence[str]) -> Iterator[list[int]]:
    """The positions in groups of at most `MOST_KEYS` different keys."""
    part: list[int] = []
    seen: set[str] = set()
    for position, key in zip(positions, keys, strict=True):
        if key not in seen and len(seen) == MOST_KEYS:
            yield part
            part, seen = [], set()
        seen.add(key)
        part.append(position)
    if part:
        yield part


def _refusal(request: CandleRequest, why: str) -> RejectedCandle:
    window = {"from": iso_text(epoch_microseconds(request.start)), "to": iso_text(epoch_microseconds(request.end))}
    payload = json.dumps({"resolution": request.resolution, **window})
    return RejectedCandle(request.token_address, request.chain, None, CHAIN_UNCLEAR, 1, why, payload)
