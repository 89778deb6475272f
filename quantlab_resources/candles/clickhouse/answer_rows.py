"""Rows of an answer as candles: numbers converted exactly, rules applied, duplicates decided, rejected rows kept."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import (
    Integers,
    Mask,
    compute,
    floats,
    instants,
    one_array,
    row_positions,
    rows_at,
)
from quantlab_core.candles.candle_source import CandleRequest, RejectedCandle
from quantlab_core.candles.epoch_time import EPOCH, instant_of
from quantlab_core.candles.neighbouring_rows import group_ranges, rises, run_starts
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.slices import named_for
from quantlab_core.candles.source_preference import preference
from quantlab_core.candles.validation import CANDLE_VALUES, RULES, validate_candles
from quantlab_core.errors import CandleSourceError
from quantlab_core.token import Token
from quantlab_resources.candles.clickhouse.candle_queries import CHAIN, INGESTED, KEY, STAMP, VALUES
from quantlab_resources.candles.files.number_columns import parse_numbers

_CONFLICT = "conflicting_duplicate"
_NANOSECONDS = 1_000
_NO_ROWS = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class AskedRows:
    """Whose rows are wanted: a key by its number, on these chains (their own names), for this request."""

    number: int
    chains: tuple[str, ...]
    request: CandleRequest


@dataclass(frozen=True, slots=True)
class TokenCandles:
    """What the rows of one request gave: candles in the candle schema, and what became of the others."""

    candles: pa.Table
    rejections: tuple[RejectedCandle, ...]
    conflicting: int


class AnswerRows:
    """The rows of one answer, to be taken apart by key and chain.

    ``table`` has the columns of `candle_queries.candles_query`; values are converted once for all tokens. Raises
    CandleSourceError where a column cannot be converted exactly.
    """

    def __init__(self, table: pa.Table, *, subject: str) -> None:
        chains = _chain_codes(table[CHAIN])
        names: list[Any] = chains.dictionary.to_pylist()
        width = len(names) + 1
        codes = _integers(table[KEY]) * width
        codes += np.asarray(compute.fill_null(chains.indices, width - 1).to_numpy(), dtype=np.int64)
        order = np.argsort(codes, kind="stable").astype(np.int64)
        starts = run_starts(codes[order])
        limits = [*starts.tolist(), len(codes)]
        self._ranges: dict[int, dict[str, list[tuple[int, int]]]] = {}
        for code, (start, stop) in zip(codes[order][starts].tolist(), pairwise(limits), strict=True):
            number, chain = divmod(code, width)
            name = names[chain] if chain < width - 1 else ""
            self._ranges.setdefault(number, {}).setdefault(name, []).append((start, stop))
        self._raw = rows_at(table, order)
        self._unreadable: dict[str, Mask] = {}
        self._numbers: dict[str, pa.Array[Any]] = {}
        for name in VALUES:
            column = name if name in table.column_names else None
            self._numbers[name], unreadable = exact_numbers(self._raw, column, subject)
            if unreadable.any():
                self._unreadable[name] = unreadable
        self._stamps = _integers(self._raw[STAMP])
        self._grades = self._graded()

    def chains_of(self, number: int) -> set[str]:
        """The table's own names of the chains on which a key, by its number, has rows; no name is ``""``."""
        return set(self._ranges.get(number, ()))

    def candles_of(self, asked: Sequence[AskedRows], *, closed_until: datetime) -> list[TokenCandles]:
        """The candles of each, named as its request names its token; all requests have the same resolution.

        They go through the rules together, each under a name that keeps it apart: one call for each of many small
        tables would cost more than the rows themselves.
        """
        if not asked:
            return []
        positions, groups = self._rows_of(asked)
        found = self._unusable(positions)
        names = pa.array([f"{group:09d}" for group in range(len(asked))])
        rows: Any = pa.table(
            {
                "row_number": pa.array(np.arange(len(positions), dtype=np.int64)),
                "token_address": names.take(pa.array(groups, pa.int64())),
                "chain": pa.repeat("asked", len(positions)),
                "ts": instants(self._stamps[positions] // _NANOSECONDS),
                **{name: _at(self._numbers[name], positions) for name in CANDLE_VALUES},
                **({} if self._grades is None else {"preference": pa.array(self._grades[positions])}),
            }
        )
        if found:
            rows = rows.filter(pa.array(~np.isin(np.arange(len(positions)), list(found))))
        resolution = RESOLUTIONS[asked[0].request.resolution]
        validated = validate_candles(rows, resolution=resolution, as_of=closed_until)
        conflicts = Counter(int(groups[one.row_number]) for one in validated.rejections if one.rule_id == _CONFLICT)
        found |= {one.row_number: (one.rule_id, one.reason) for one in validated.rejections if one.rule_id != _CONFLICT}
        rejected: dict[int, set[RejectedCandle]] = defaultdict(set)
        for row, (rule_id, reason) in found.items():
            group = int(groups[row])
            rejected[group].add(self._rejected(int(positions[row]), rule_id, reason, asked[group].request))
        return [
            TokenCandles(candles, _in_one_order(rejected[group]), conflicts[group])
            for group, candles in enumerate(_apart(validated.candles, asked))
        ]

    def _rows_of(self, asked: Sequence[AskedRows]) -> tuple[Integers, Integers]:
        """Positions of all wanted rows and to which of ``asked`` each belongs, by that and by time.

        Rows of one time that are graded are put in an order that their values alone decide: no count may depend on the
        server's order.
        """
        ranges = [
            (group, start, stop)
            for group, one in enumerate(asked)
            for chain in one.chains
            for start, stop in self._ranges.get(one.number, {}).get(chain, ())
        ]
        positions = np.concatenate([_NO_ROWS, *(np.arange(start, stop) for _, start, stop in ranges)])
        groups = np.repeat([group for group, _, _ in ranges], [stop - start for _, start, stop in ranges]).astype(
            np.int64
        )
        stamps = self._stamps[positions]
        if rises(groups, stamps):
            return positions, groups
        values = [] if self._grades is None else [floats(_at(self._numbers[name], positions)) for name in VALUES]
        order = np.lexsort((*values, stamps, groups))
        return positions[order], groups[order]

    def _unusable(self, positions: Integers) -> dict[int, tuple[str, str]]:
        """Rows whose numbers or time cannot be read, with rule and reason."""
        found: dict[int, tuple[str, str]] = {}
        for name, mask in self._unreadable.items():
            for row in row_positions(mask[positions]).tolist():
                value = self._raw[name][int(positions[row])].as_py()
                found.setdefault(row, ("number_unreadable", f"{name} {value!r} is not a number"))
        for row in row_positions(self._stamps[positions] % _NANOSECONDS != 0).tolist():
            found.setdefault(row, ("time_unaligned", "its time is finer than a microsecond"))
        return found

    def _rejected(self, position: int, rule_id: str, reason: str, request: CandleRequest) -> RejectedCandle:
        raw = self._raw.slice(position, 1).to_pylist()[0]
        ts = instant_of(raw[STAMP] // _NANOSECONDS)
        payload = {
            "key": request.pool_address or request.token_address,
            "chain": raw[CHAIN],
            "timestamp": ts.isoformat(),
            "interval": request.resolution,
            **{name: raw[name] for name in VALUES if name in raw},
        }
        text = json.dumps(payload, default=str, ensure_ascii=False)
        return RejectedCandle(request.token_address, request.chain, ts, rule_id, RULES[rule_id], reason, text)

    def _graded(self) -> Integers | None:
        """One number per row that orders rows by quality, then time of ingestion; None where the table has neither."""
        quality = floats(self._numbers["quality"]) if "quality" in self._raw.column_names else None
        ingested = None
        if INGESTED in self._raw.column_names:
            ingested = _integers(compute.fill_null(self._raw[INGESTED], np.iinfo(np.int64).min))
        return preference(self._raw.num_rows, quality, ingested)


def exact_numbers(table: pa.Table, column: str | None, subject: str) -> tuple[pa.Array[Any], Mask]:
    """The column as float64, and per row whether it is text that is no number.

    A Decimal or a text becomes the nearest double, as if it were typed in; an integer that no double holds is refused.
    Raises CandleSourceError.
    """
    if column is None:
        return parse_numbers(table, None)
    values: Any = one_array(table[column])
    if pa.types.is_decimal(values.type):
        values = compute.cast(values, pa.string())
    elif pa.types.is_integer(values.type):
        try:
            values = compute.cast(values, pa.float64())
        except pa.ArrowInvalid as error:
            raise CandleSourceError(
                f"{subject}: {column} has an integer that no float64 holds exactly; make a view that scales it"
            ) from error
    return parse_numbers(pa.table({"values": values}), "values")


def _in_one_order(rejections: Iterable[RejectedCandle]) -> tuple[RejectedCandle, ...]:
    """In an order that no server decides."""
    return tuple(sorted(rejections, key=lambda one: (one.ts or EPOCH, one.rule_id, one.payload, one.reason)))


def _apart(candles: pa.Table, asked: Sequence[AskedRows]) -> Iterator[pa.Table]:
    """The candles of each request, under the names of its token."""
    named = np.asarray(compute.cast(candles["token_address"], pa.int64()).to_numpy(), dtype=np.int64)
    for one, (start, stop) in zip(asked, group_ranges(named, len(asked)), strict=True):
        token = Token(one.request.chain, one.request.token_address)
        yield named_for(token, candles.slice(start, stop - start))


def _chain_codes(column: pa.ChunkedArray[Any]) -> pa.DictionaryArray[Any, Any]:
    """The chains of the rows as one dictionary, however they were sent."""
    whole: Any = column.unify_dictionaries().combine_chunks()
    return whole if isinstance(whole, pa.DictionaryArray) else whole.dictionary_encode()


def _at(values: pa.Array[Any], positions: Integers) -> pa.Array[Any]:
    """The values at these positions; rows that stand together are not copied."""
    if len(positions) and positions[-1] - positions[0] == len(positions) - 1 and bool((np.diff(positions) == 1).all()):
        return values.slice(int(positions[0]), len(positions))
    found: Any = values.take(pa.array(positions, pa.int64()))
    return found  # type: ignore[no-any-return]


def _integers(column: pa.ChunkedArray[Any]) -> Integers:
    return np.asarray(compute.cast(one_array(column), pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
