"""The candle source over ClickHouse: one query per window for all tokens, whole answers or none."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from quantlab_core.alerts.addresses import EVM, normalise_chain
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CHAIN_UNCLEAR, CandleRequest, RejectedCandle, SourcedCandles
from quantlab_core.candles.epoch_time import EPOCH, epoch_microseconds, iso_text
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.candles.token_series import UNKNOWN_UNIT
from quantlab_core.candles.validation import RULES
from quantlab_core.clock import Clock
from quantlab_core.errors import CandleSourceError
from quantlab_core.token import EVM_CHAINS, EVM_UNKNOWN, SOLANA, plain_address
from quantlab_resources.candles.clickhouse.answer_rows import AnswerRows, AskedRows, TokenCandles
from quantlab_resources.candles.clickhouse.candle_queries import (
    CHAIN,
    COUNT,
    KEY,
    SPELLING,
    WITHIN,
    Query,
    candles_query,
    count_query,
    holds_any_query,
    presence_query,
    reach_query,
)
from quantlab_resources.candles.clickhouse.candle_table import CandleTable, find_candle_table
from quantlab_resources.candles.clickhouse.clickhouse_config import CONFIG_VARIABLE, ClickHouseConfig
from quantlab_resources.candles.clickhouse.clickhouse_connection import ClickHouseConnection
from quantlab_resources.candles.clickhouse.table_reach import Reach, reach_by_resolution

SOURCE_NAME = "clickhouse"
MOST_KEYS = 1_000
"""Tokens of one query: their names must fit into a field of a form (128 KiB on the server)."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What can be asked in one query: candles of one resolution in one span, by one column (``role``).

    Candles that close after ``closed_until`` are open; it lies behind the span where the table ends before.
    """

    role: str
    resolution: str
    span: SourceSpan
    closed_until: datetime


@dataclass(frozen=True, slots=True, order=True)
class _Held:
    """That the table has candles under this chain name, in this spelling of their length, ``within`` the window."""

    chain: str
    spelling: str
    within: bool


class ClickHouseCandleSource:
    """Answers from one candle table of a ClickHouse server or of the embedded engine.

    Requests for the same window and resolution are one query (1,000 tokens at most), whose rows are counted by another.
    Spans and candles lie between the table's first and last candle of the resolution, and end at the last candle that
    closed ``settle_seconds`` ago. Within that a token without candles has an empty table and its span: the source was
    asked, and silence is data. There is no span for a token of whose candles of this length the table has none at all
    (unless the configuration says that the whole table is silent for it), nor for one that has candles of other lengths
    only in the window: of its minutes the source knows nothing.

    Rows of one minute: the higher quality stays, then the later ingestion, where the table has these columns, else and
    then `duplicate_candles` decides. A call on ``evm_unknown`` is answered from the one EVM chain that has its address;
    of several none is guessed, and the answer's rejection names them, as it names a chain that nobody knows. Where the
    table is kept by pool (``columns.pool``), requests that name one are asked by it.

    What the table looks like is asked once per source; which lengths of candles it holds, and from when to when, with
    every call.
    """

    def __init__(self, connection: ClickHouseConnection, config: ClickHouseConfig, *, clock: Clock) -> None:
        self._connection = connection
        self._config = config
        self._clock = clock
        self._table: CandleTable | None = None
        self._chains = {written.strip().lower(): chain for written, chain in config.chains.items()}
        self._known_chains = EVM_CHAINS | {SOLANA} | set(config.chains.values())

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
            reach = self._reach(self._found_table(""), "")
            return tuple(name for name in RESOLUTIONS if name in reach)

    def fetch_many(self, requests: Sequence[CandleRequest], *, asked_by: str = "") -> list[SourcedCandles]:
        """The answers in the order of the requests. ``asked_by`` stands in the server's log of queries."""
        if not requests:
            return []
        now = self._clock.now()
        answers: list[SourcedCandles | None] = [None] * len(requests)
        windows: dict[_Window, list[int]] = defaultdict(list)
        with self._connection:
            table = self._found_table(asked_by)
            reach = self._reach(table, asked_by)
            for position, request in enumerate(requests):
                window = self._window(table, reach, request, now)
                if window is not None:
                    windows[window].append(position)
            for window, positions in windows.items():
                for part in _parts(positions, [_key(window, requests[position]) for position in positions]):
                    asked = [requests[position] for position in part]
                    for position, answer in zip(
                        part, self._answers(table, reach, window, asked, asked_by), strict=True
                    ):
                        answers[position] = answer
        return [answer or self._nothing() for answer in answers]

    def _answers(
        self,
        table: CandleTable,
        reach: Mapping[str, Reach],
        window: _Window,
        requests: Sequence[CandleRequest],
        asked_by: str,
    ) -> list[SourcedCandles]:
        keys = sorted({_key(window, request) for request in requests})
        numbers = {key: number for number, key in enumerate(keys, 1)}
        spellings = reach[window.resolution].spellings
        answer = self._whole_answer(table, window, keys, spellings, asked_by)
        rows = AnswerRows(answer, subject=self._subject(table))
        choices = [self._choose(request, rows.chains_of(numbers[_key(window, request)])) for request in requests]
        silent = {
            _key(window, request) for request, choice in zip(requests, choices, strict=True) if choice == (set(), "")
        }
        held = self._held(table, reach, window, sorted(silent), asked_by)
        answers: list[SourcedCandles | None] = []
        asked: list[AskedRows] = []
        for request, (chosen, unclear) in zip(requests, choices, strict=True):
            key = _key(window, request)
            knows = True
            if not chosen and not unclear:
                seen = held.get(key, set())
                of_token, unclear = self._choose(request, {one.chain for one in seen})
                knows = self._knows({one for one in seen if one.chain in of_token}, spellings)
            if unclear:
                answers.append(self._nothing(_refusal(request, unclear)))
            elif not knows:
                answers.append(self._nothing())
            else:
                asked.append(AskedRows(numbers[key], tuple(sorted(chosen)), request))
                answers.append(None)
        found = iter(rows.candles_of(asked, closed_until=window.closed_until))
        return [answer or self._sourced(next(found), window) for answer in answers]

    def _whole_answer(
        self, table: CandleTable, window: _Window, keys: Sequence[str], spellings: Sequence[str], asked_by: str
    ) -> pa.Table:
        """The candles of ``keys``, as many as the table counts; both are asked again while rows come in between."""
        what = (table, table.columns[window.role], keys, spellings, window.span)
        for _ in range(self._config.attempts):
            answer = self._ask(candles_query(*what), asked_by)
            counted = self._ask(count_query(*what), asked_by)[COUNT][0].as_py()
            if answer.num_rows == counted:
                return answer
        raise CandleSourceError(
            f"{self._subject(table)} counts {counted:,} rows where its answer has {answer.num_rows:,}, "
            f"{self._config.attempts} times; nothing was taken; ask again once no rows are written, or look for limits "
            "in the user's profile"
        )

    def _knows(self, held: Collection[_Held], spellings: Collection[str]) -> bool:
        """Whether the silence of a token in the window is data, by what the table has of it otherwise."""
        if any(one.within and one.spelling not in spellings for one in held):
            return False
        return self._config.silence == "table" or any(one.spelling in spellings for one in held)

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

    def _held(
        self, table: CandleTable, reach: Mapping[str, Reach], window: _Window, keys: Sequence[str], asked_by: str
    ) -> dict[str, set[_Held]]:
        """What the table has of keys that are silent in the window; at other times only where that matters."""
        if not keys:
            return {}
        spellings = sorted(spelling for one in reach.values() for spelling in one.spellings)
        column, anywhere = table.columns[window.role], self._config.silence == "token"
        query = presence_query(table, column, keys, spellings, window.span, anywhere=anywhere)
        held: dict[str, set[_Held]] = defaultdict(set)
        for row in self._ask(query, asked_by).to_pylist():
            held[keys[row[KEY] - 1]].add(_Held(row[CHAIN] or "", row[SPELLING], bool(row[WITHIN])))
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
        if request.chain not in self._known_chains:
            return set(), (
                f"{request.chain!r} is no chain that is known here; known are {', '.join(sorted(self._known_chains))}; "
                f"name others under `chains:` in the file that {CONFIG_VARIABLE} names"
            )
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

    def _window(
        self, table: CandleTable, reach: Mapping[str, Reach], request: CandleRequest, now: datetime
    ) -> _Window | None:
        """The query that a request belongs to, of closed candles within the table's reach; None for nothing to ask."""
        if request.resolution not in reach:
            return None
        step, held = RESOLUTIONS[request.resolution], reach[request.resolution].span
        settled = now - timedelta(seconds=self._config.settle_seconds)
        closed_until = min(request.end, settled - (settled - EPOCH) % step)
        span = SourceSpan(max(request.start, held.start), min(held.end, closed_until))
        role = "pool" if "pool" in table.columns and request.pool_address else "token_address"
        if span.start >= span.end or role not in table.columns:
            return None
        return _Window(role, request.resolution, span, closed_until)

    def _found_table(self, asked_by: str) -> CandleTable:
        if self._table is None:
            self._table = find_candle_table(self._connection, self._config, asked_by=asked_by)
        return self._table

    def _reach(self, table: CandleTable, asked_by: str) -> dict[str, Reach]:
        return reach_by_resolution(self._ask(reach_query(table), asked_by).to_pylist())

    def _subject(self, table: CandleTable) -> str:
        return f"{self._connection.address.shown}: table {table.name!r}"

    def _ask(self, query: Query, asked_by: str) -> pa.Table:
        answer = self._connection.query(query.sql, query.parameters, asked_by=asked_by)
        return answer.rename_columns(list(query.names))

    def _nothing(self, *rejections: RejectedCandle) -> SourcedCandles:
        return SourcedCandles(
            CANDLE_SCHEMA.empty_table(), (), SOURCE_NAME, UNKNOWN_UNIT, UNKNOWN_UNIT, rejections=rejections
        )


def _key(window: _Window, request: CandleRequest) -> str:
    return plain_address((request.pool_address or "") if window.role == "pool" else request.token_address)


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
    return RejectedCandle(request.token_address, request.chain, None, CHAIN_UNCLEAR, RULES[CHAIN_UNCLEAR], why, payload)
