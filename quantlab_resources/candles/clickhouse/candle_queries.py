"""The queries that a candle table is asked: identifiers quoted, every value a bound parameter, always by interval."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quantlab_core.candles.epoch_time import EPOCH, duration_microseconds
from quantlab_core.candles.resolution import RESOLUTIONS
from quantlab_core.candles.source_spans import SourceSpan
from quantlab_core.token import looks_evm
from quantlab_resources.candles.clickhouse.candle_table import CandleTable, Column

VALUES = ("open", "high", "low", "close", "volume", "quality")
KEY, CHAIN, STAMP, INGESTED = "key", "chain", "ts", "ingested_at"
SPELLING, FIRST, LAST, WITHIN, COUNT = "spelling", "first", "last", "within", "count"

_LAST_DATETIME = 2**32 - 1
_SPELLED = re.compile(r"(\d{1,9})\s*([A-Za-z]*)")
_UNITS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}


@dataclass(frozen=True, slots=True)
class Query:
    """A SELECT, what is bound to it, and what the columns of its answer are."""

    sql: str
    parameters: dict[str, Any]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """Two conditions, whose rows by token and interval and which by time, and what is bound to them."""

    of_tokens: str
    in_window: str
    parameters: dict[str, Any]


def resolution_of(interval: str) -> str | None:
    """The resolution that a table's own spelling of an interval means; None for any other length.

    A number alone is seconds. ``1M`` is a month to those who write it so, and no resolution.
    """
    spelled = _SPELLED.fullmatch(interval.strip())
    if spelled is None or spelled.group(2) == "M":
        return None
    seconds = int(spelled.group(1)) * _UNITS.get(spelled.group(2).lower(), 0)
    return next((name for name, length in RESOLUTIONS.items() if length.total_seconds() == seconds), None)


def reach_query(table: CandleTable) -> Query:
    """Which intervals the table holds, in its own spelling, and when their first and last candles open, in seconds.

    Rows of second 0 are rows without a time, as ClickHouse writes them.
    """
    spelling, stamp = f"toString({table.columns['interval'].sql})", table.columns["timestamp"].sql
    selected = {SPELLING: spelling, FIRST: _whole_seconds(f"min({stamp})"), LAST: _whole_seconds(f"max({stamp})")}
    return _query(table, selected, f"{stamp} > toDateTime(0, 'UTC')", group_by=spelling)


def holds_any_query(table: CandleTable) -> Query:
    """One row where the table has any."""
    return _query(table, {"one": "1"}, limit=1)


def candles_query(
    table: CandleTable, key: Column, keys: Sequence[str], intervals: Sequence[str], span: SourceSpan
) -> Query:
    """Every candle of ``keys`` that opens in ``span``: the number of its key (from 1), chain, nanoseconds, values."""
    columns = table.columns
    selected = {
        KEY: _key_number(key, keys),
        CHAIN: f"toLowCardinality(toString({columns['chain'].sql}))",
        STAMP: _nanoseconds(columns["timestamp"]),
        **{name: columns[name].sql for name in VALUES if name in columns},
        **({INGESTED: _nanoseconds(columns["ingested_at"])} if "ingested_at" in columns else {}),
    }
    asked = _asked_for(table, key, keys, intervals, span)
    return _query(table, selected, f"{asked.of_tokens} AND {asked.in_window}", asked.parameters)


def count_query(
    table: CandleTable, key: Column, keys: Sequence[str], intervals: Sequence[str], span: SourceSpan
) -> Query:
    """How many rows the answer to `candles_query` has to have."""
    asked = _asked_for(table, key, keys, intervals, span)
    parameters = {name: value for name, value in asked.parameters.items() if name not in ("keys", "numbers")}
    return _query(table, {COUNT: "count()"}, f"{asked.of_tokens} AND {asked.in_window}", parameters)


def presence_query(
    table: CandleTable, key: Column, keys: Sequence[str], intervals: Sequence[str], span: SourceSpan, *, anywhere: bool
) -> Query:
    """On which chains ``keys`` have candles of which ``intervals``, and whether in ``span``; ``anywhere``: at all."""
    asked = _asked_for(table, key, keys, intervals, span)
    selected = {
        KEY: _key_number(key, keys),
        CHAIN: f"toString({table.columns['chain'].sql})",
        SPELLING: f"toString({table.columns['interval'].sql})",
        WITHIN: f"toUInt8({asked.in_window})",
    }
    where = asked.of_tokens if anywhere else f"{asked.of_tokens} AND {asked.in_window}"
    return _query(table, selected, where, asked.parameters, distinct=True)


def _query(
    table: CandleTable,
    selected: Mapping[str, str],
    where: str = "",
    parameters: dict[str, Any] | None = None,
    *,
    distinct: bool = False,
    group_by: str = "",
    limit: int | None = None,
) -> Query:
    """ClickHouse takes an alias for a column of the same name, so aliases are such that no column in use has one."""
    prefix = "quantlab_"
    while any(column.name.startswith(prefix) for column in table.columns.values()):
        prefix += "_"
    listed = ", ".join(f"{sql} AS {prefix}{number}" for number, sql in enumerate(selected.values()))
    parts = (
        f"SELECT {'DISTINCT ' if distinct else ''}{listed} FROM {table.sql}",  # noqa: S608
        f"WHERE {where}" if where else "",
        f"GROUP BY {group_by}" if group_by else "",
        f"LIMIT {limit}" if limit is not None else "",
    )
    return Query(" ".join(part for part in parts if part), parameters or {}, tuple(selected))


def _key_number(key: Column, keys: Sequence[str]) -> str:
    return f"transform({_compared(key, keys)}, {{keys:Array(String)}}, {{numbers:Array(UInt32)}}, toUInt32(0))"


def _compared(key: Column, keys: Sequence[str]) -> str:
    """The column as `plain_address` spells it; as it is where only Solana is asked, so that the index is used."""
    text = f"assumeNotNull({key.sql})"
    if not any(looks_evm(one) for one in keys):
        return text
    return f"if(startsWith(lower({text}), '0x'), lower({text}), {text})"


def _asked_for(
    table: CandleTable, key: Column, keys: Sequence[str], intervals: Sequence[str], span: SourceSpan
) -> _Asked:
    interval, stamp = table.columns["interval"], table.columns["timestamp"].sql
    evm = [one for one in keys if looks_evm(one)]
    exact = [one for one in keys if not looks_evm(one)]
    tokens = [
        *([f"{key.sql} IN {{exact:Array(String)}}"] if exact else []),
        *([f"lower({key.sql}) IN {{evm:Array(String)}}"] if evm else []),
    ]
    is_number = "Int" in interval.kind
    by_interval = (
        f"{interval.sql} IN {{intervals:Array(Int64)}}"
        if is_number
        else f"toString({interval.sql}) IN {{intervals:Array(String)}}"
    )
    parameters: dict[str, Any] = {
        "keys": list(keys),
        "numbers": list(range(1, len(keys) + 1)),
        "intervals": [int(text) for text in intervals] if is_number else list(intervals),
        "start": _seconds(span.start),
        "end": _seconds(span.end),
        **({"exact": exact} if exact else {}),
        **({"evm": evm} if evm else {}),
    }
    window = f"{stamp} >= toDateTime({{start:Int64}}, 'UTC') AND {stamp} < toDateTime({{end:Int64}}, 'UTC')"
    return _Asked(f"{by_interval} AND ({' OR '.join(tokens)})", f"({window})", parameters)


def _nanoseconds(column: Column) -> str:
    return f"toUnixTimestamp64Nano(toDateTime64({column.sql}, 9, 'UTC'))"


def _whole_seconds(instant: str) -> str:
    """Seconds since the epoch, rounded down; nanoseconds would not hold every time that a DateTime64 does."""
    return f"toUnixTimestamp64Second(toDateTime64({instant}, 0, 'UTC'))"


def _seconds(instant: Any) -> int:
    """Whole seconds since the epoch, rounded up, within what a DateTime holds: candles open at whole minutes."""
    return min(max(-(-duration_microseconds(instant - EPOCH) // 1_000_000), 0), _LAST_DATETIME)
