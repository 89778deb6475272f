"""One rule for candles that occur twice, whether in one file, in several files or in overlapping slices.

Equal candles (same token, open time and five values) count once. Of candles that differ, the one with the larger
volume stays: sources show a minute before it is finished, or with a page cut through it, and such a candle lacks trades
but never has too many. A candle of unknown volume ranks last. Where volumes are equal the higher high, the lower low,
the higher close and the higher open decide, in this order. The rule looks at values only, so the result depends neither
on the order of rows nor on which file came first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import Floats, Integers, floats, microseconds, rows_at
from quantlab_core.candles.artifact_types import CANDLE_SCHEMA
from quantlab_core.candles.neighbouring_rows import repeats_previous, rises
from quantlab_core.candles.token_codes import token_codes

UNKNOWN_VOLUME = -1.0
_VALUES = ("volume", "high", "low", "close", "open")
_HIGHER_WINS = {"volume": True, "high": True, "low": False, "close": True, "open": True}


@dataclass(frozen=True, slots=True)
class DuplicateResolution:
    """Positions of rows: ``kept`` in the order of chain, token, ts; every other row is in ``equal`` or ``conflicting``.

    ``winners`` has, for each position of ``conflicting``, the kept row that it lost to; ``beaten`` has, for each
    position of ``kept``, how many of ``conflicting`` lost to it. Equal candles that lose count once.
    """

    kept: Integers
    equal: Integers
    conflicting: Integers
    winners: Integers
    beaten: Integers


def resolve_duplicates(candles: pa.Table) -> DuplicateResolution:
    """Which rows of a table with the candle columns stay. Prices are finite; volume may be null."""
    codes = token_codes(candles).codes
    stamps = microseconds(candles["ts"])
    if rises(codes, stamps):
        rows = np.arange(len(stamps), dtype=np.int64)  # the usual case, and sorting seven columns is most of the work
        return DuplicateResolution(rows, rows[:0], rows[:0], rows[:0], np.zeros_like(rows))
    values = [_values(candles, name) for name in _VALUES]
    ranked = [-column if _HIGHER_WINS[name] else column for name, column in zip(_VALUES, values, strict=True)]
    order = np.lexsort((*reversed(ranked), stamps, codes)).astype(np.int64)
    same_minute = repeats_previous(codes[order], stamps[order])
    same_values = same_minute & repeats_previous(*(column[order] for column in values))
    kept = order[~same_minute]
    is_conflicting = same_minute & ~same_values
    minute_of_row = np.cumsum(~same_minute) - 1
    beaten = np.bincount(minute_of_row[is_conflicting], minlength=len(kept)).astype(np.int64)
    winners = kept[minute_of_row[is_conflicting]]
    return DuplicateResolution(kept, order[same_values], order[is_conflicting], winners, beaten)


def merge_candles(tables: Sequence[pa.Table]) -> tuple[pa.Table, int]:
    """All candles of the tables, sorted by chain, token and ts without duplicates, and how many lost a conflict.

    The result has the candle schema and no attributes.
    """
    candles, beaten = merge_with_conflicts(tables)
    return candles, int(beaten.sum())


def merge_with_conflicts(tables: Sequence[pa.Table]) -> tuple[pa.Table, Integers]:
    """As `merge_candles`, with how many different candles lost to each row instead of their sum."""
    parts = [table.select(CANDLE_SCHEMA.names).cast(CANDLE_SCHEMA) for table in tables]
    candles = pa.concat_tables([CANDLE_SCHEMA.empty_table(), *parts])
    resolution = resolve_duplicates(candles)
    return rows_at(candles, resolution.kept).combine_chunks(), resolution.beaten


def _values(candles: pa.Table, name: str) -> Floats:
    values = floats(candles[name])
    return np.where(np.isnan(values), UNKNOWN_VOLUME, values)
