"""Which rows of a candle table are candles: the rules, and what becomes of every row that is none.

Every row ends in exactly one place: valid, rejected (with rule, version and reason), or dropped and counted (equal
duplicates, the candle that is still open, minutes that the source states as empty). The first rule that a row breaks,
in the order of `RULES`, is the one that is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import (
    Floats,
    Integers,
    Mask,
    floats,
    is_valid,
    microseconds,
    row_positions,
    rows_at,
)
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.candle_source import CHAIN_UNCLEAR, UNITS_CONTRADICT
from quantlab_core.candles.duplicate_candles import resolve_duplicates
from quantlab_core.candles.epoch_time import duration_microseconds, epoch_microseconds, iso_text
from quantlab_core.candles.neighbouring_rows import repeats_previous
from quantlab_core.candles.token_codes import token_codes

RULES: dict[str, int] = {
    "row_malformed": 1,
    "token_invalid": 1,
    "time_unreadable": 1,
    "number_unreadable": 1,
    "time_in_future": 1,
    "time_unaligned": 1,
    "price_not_finite": 1,
    "price_not_positive": 1,
    "high_below_low": 1,
    "open_close_outside_range": 1,
    "volume_negative": 1,
    "conflicting_duplicate": 1,
    "swap_side_unknown": 1,
    "swap_amount_not_positive": 1,
    "swap_price_mismatch": 1,
    "swap_price_far": 1,
    UNITS_CONTRADICT: 1,
    CHAIN_UNCLEAR: 1,
}
"""Version of every rule by its id, in the order in which they are applied. The first four are found while reading;
those of swaps (`swap_candles`) before there are candles. The last two are of no row: by them a source does not answer
for a token at all (`candle_source`)."""

PRICES = ("open", "high", "low", "close")
CANDLE_VALUES = (*PRICES, "volume")


@dataclass(frozen=True, slots=True)
class Rejection:
    """One rejected row. ``row_number`` is as in the file, from 1."""

    row_number: int
    rule_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ValidatedCandles:
    """``candles`` has the candle schema, sorted by chain, token and ts, without duplicates; counts are rows."""

    candles: pa.Table
    rejections: tuple[Rejection, ...]
    equal_duplicates: int
    open_candles: int
    empty_minutes: int


@dataclass(frozen=True, slots=True)
class _Columns:
    """The rows as arrays; prices that are missing are NaN."""

    ts: Integers
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def validate_candles(
    rows: pa.Table, *, resolution: timedelta, as_of: datetime, fills_before_first_trade: bool = False
) -> ValidatedCandles:
    """Split ``rows`` by the rules.

    ``rows`` has the candle columns and ``row_number``; chain, token and ts are known, prices and volume may be null.
    ``as_of`` is the instant up to which the source can have known anything: a row that opens after it is rejected, the
    candle that it falls into is still open and is dropped. Two more columns are optional: ``fetched_at``, where rows
    were fetched earlier than ``as_of`` (timestamp, null where unknown), and ``preference`` (int64): of rows of one
    token and time the one with the highest stays, before `duplicate_candles` decides. With ``fills_before_first_trade``
    flat rows of volume 0 before a token's first trade are dropped as empty minutes: nobody had paid their price yet.
    """
    columns = _Columns(microseconds(rows["ts"]), *(floats(rows[name]) for name in CANDLE_VALUES))
    step = duration_microseconds(resolution)
    now = _known_until(rows, as_of)
    undecided = np.ones(rows.num_rows, dtype=np.bool_)
    rejections: list[Rejection] = []
    row_numbers = np.asarray(rows["row_number"].to_numpy(), dtype=np.int64)

    def reject(rule_id: str, broken: Mask, reason: Callable[[int], str]) -> None:
        positions = row_positions(undecided & broken)
        numbers = row_numbers[positions].tolist()
        rejections.extend(
            Rejection(number, rule_id, reason(row)) for number, row in zip(numbers, positions.tolist(), strict=True)
        )
        undecided[positions] = False

    def drop(which: Mask) -> int:
        dropped = undecided & which
        undecided[dropped] = False
        return int(dropped.sum())

    reject(
        "time_in_future",
        columns.ts > now,
        lambda row: f"opens at {iso_text(columns.ts[row])}, after {iso_text(now[row])}",
    )
    open_candles = drop(columns.ts + step > now)
    reject(
        "time_unaligned",
        columns.ts % step != 0,
        lambda row: f"{iso_text(columns.ts[row])} is no multiple of {resolution}",
    )
    empty_minutes = drop(_states_no_trade(columns))
    if fills_before_first_trade:
        empty_minutes += drop(_before_first_trade(rows, columns))
    _reject_bad_values(columns, reject)
    reject(
        "conflicting_duplicate",
        _outranked(rows, columns.ts, undecided),
        lambda row: "a row of the same token and time is of better quality, or newer by the source's own account",
    )

    positions = row_positions(undecided)
    candles = _without_negative_zero(rows_at(rows, positions)).select(CANDLE_SCHEMA.names).cast(CANDLE_SCHEMA)
    resolution_of_duplicates = resolve_duplicates(candles)
    losers = np.zeros(rows.num_rows, dtype=np.bool_)
    losers[positions[resolution_of_duplicates.conflicting]] = True
    winner_of = dict(
        zip(
            positions[resolution_of_duplicates.conflicting].tolist(),
            positions[resolution_of_duplicates.winners].tolist(),
            strict=True,
        )
    )
    reject(
        "conflicting_duplicate",
        losers,
        lambda row: f"row {row_numbers[winner_of[row]]} has the same token and time with other values and ranks higher",
    )
    return ValidatedCandles(
        candles=rows_at(candles, resolution_of_duplicates.kept).combine_chunks(),
        rejections=tuple(sorted(rejections, key=lambda rejection: rejection.row_number)),
        equal_duplicates=len(resolution_of_duplicates.equal),
        open_candles=open_candles,
        empty_minutes=empty_minutes,
    )


def _reject_bad_values(columns: _Columns, reject: Callable[[str, Mask, Callable[[int], str]], None]) -> None:
    prices = np.stack([columns.open, columns.high, columns.low, columns.close])

    def written(row: int) -> str:
        return ", ".join(f"{name} {float(value)!r}" for name, value in zip(PRICES, prices[:, row], strict=True))

    reject(
        "price_not_finite",
        np.logical_or.reduce(~np.isfinite(prices), axis=0),
        lambda row: f"a price is missing or infinite: {written(row)}",
    )
    reject(
        "price_not_positive",
        np.logical_or.reduce(prices <= 0, axis=0),
        lambda row: f"a price is zero or negative: {written(row)}",
    )
    reject("high_below_low", columns.high < columns.low, lambda row: f"high is below low: {written(row)}")
    outside: Mask = (np.minimum(columns.open, columns.close) < columns.low) | (
        np.maximum(columns.open, columns.close) > columns.high
    )
    reject("open_close_outside_range", outside, lambda row: f"open or close is outside low to high: {written(row)}")
    bad_volume = (columns.volume < 0) | np.isinf(columns.volume)
    reject("volume_negative", bad_volume, lambda row: f"volume {float(columns.volume[row])!r} is negative or infinite")


def _known_until(rows: pa.Table, as_of: datetime) -> Integers:
    """Per row the instant up to which its source can have known anything."""
    limit = epoch_microseconds(as_of)
    if "fetched_at" not in rows.column_names:
        return np.full(rows.num_rows, limit, dtype=np.int64)
    fetched = np.where(is_valid(rows["fetched_at"]), microseconds(rows["fetched_at"]), limit)
    return np.minimum(fetched, limit).astype(np.int64)


def _before_first_trade(rows: pa.Table, columns: _Columns) -> Mask:
    """Flat rows of volume 0 with no other row of their token before them."""
    is_flat: Mask = (columns.high == columns.low) & (columns.open == columns.close) & (columns.volume == 0)
    encoded = token_codes(rows)
    first_trade = np.full(len(encoded.tokens), np.iinfo(np.int64).max)
    np.minimum.at(first_trade, encoded.codes[~is_flat], columns.ts[~is_flat])
    return np.asarray(is_flat & (columns.ts < first_trade[encoded.codes]), dtype=np.bool_)


def _outranked(rows: pa.Table, ts: Integers, undecided: Mask) -> Mask:
    """Rows that a row of their token and time is preferred to; rows with the same values are not meant."""
    outranked = np.zeros(rows.num_rows, dtype=np.bool_)
    if "preference" not in rows.column_names:
        return outranked
    positions = row_positions(undecided)
    codes, preference = token_codes(rows).codes[positions], rows["preference"].to_numpy()[positions]
    values = np.stack([floats(rows[name])[positions] for name in CANDLE_VALUES])
    order = np.lexsort((-preference, ts[positions], codes))
    is_first = ~repeats_previous(codes[order], ts[positions][order])
    best = order[is_first][np.cumsum(is_first) - 1]
    is_less = preference[order] < preference[best]
    own, best_values = values[:, order], values[:, best]
    is_other = ~((own == best_values) | (np.isnan(own) & np.isnan(best_values))).all(axis=0)
    outranked[positions[order[is_less & is_other]]] = True
    return outranked


def _states_no_trade(columns: _Columns) -> Mask:
    """Rows in which a source writes out a minute without trades as four missing prices."""
    no_price: Mask = np.isnan(columns.open) & np.isnan(columns.high) & np.isnan(columns.low) & np.isnan(columns.close)
    no_volume: Mask = np.isnan(columns.volume) | (columns.volume == 0)
    return no_price & no_volume


def _without_negative_zero(rows: pa.Table) -> pa.Table:
    """A volume of -0.0 as 0.0, and NaN as null: equal values must have equal bytes."""
    volume = floats(rows["volume"])
    position = rows.schema.get_field_index("volume")
    return rows.set_column(position, "volume", pa.array(volume + 0.0, mask=np.isnan(volume)))
