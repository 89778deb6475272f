"""Which of several rows of one minute a source itself prefers: by quality, then by when it took them in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quantlab_core.candles.arrow_columns import Integers, is_valid, microseconds
from quantlab_core.candles.time_units import parse_times
from quantlab_resources.candles.number_columns import parse_numbers
from quantlab_resources.candles.raw_rows import RawRows


def preference_of_rows(
    rows: RawRows, columns: Mapping[str, str], *, subject: str, time_zone: str | None
) -> Integers | None:
    """A rank per row, higher is better, equal where the source says nothing; None where it has no such columns.

    A row without a quality, or without a time, ranks below those that have one. Raises CandleFileError when the times
    cannot be read.
    """
    quality, ingested = columns.get("quality_score"), columns.get("ingested_at")
    if (quality is None and ingested is None) or rows.table.num_rows == 0:
        return None
    score = np.full(rows.table.num_rows, -np.inf)
    if quality is not None:
        written = parse_numbers(rows.table, quality)[0].to_numpy(zero_copy_only=False)
        score = np.where(np.isnan(written), -np.inf, written)
    taken_in = np.zeros(rows.table.num_rows, dtype=np.int64)
    if ingested is not None and is_valid(rows.table[ingested]).any():
        times = parse_times(
            rows.table[ingested], subject=subject, time_zone=time_zone, row_numbers=rows.row_numbers
        ).instants
        taken_in = np.where(is_valid(times), microseconds(times), 0)
    order = np.lexsort((taken_in, score))
    is_higher = np.ones(len(order), dtype=np.int64)
    is_higher[1:] = (np.diff(taken_in[order]) != 0) | (score[order][1:] != score[order][:-1])
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.cumsum(is_higher)
    return rank
