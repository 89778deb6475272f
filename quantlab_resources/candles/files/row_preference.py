"""The columns by which a candle file says which of several rows of one minute it prefers, as ranks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from quantlab_core.candles.arrow_columns import Integers, floats, is_valid, microseconds
from quantlab_core.candles.source_preference import preference
from quantlab_core.candles.time_units import parse_times
from quantlab_resources.candles.files.number_columns import parse_numbers
from quantlab_resources.candles.files.raw_rows import RawRows


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
    scores = None if quality is None else floats(parse_numbers(rows.table, quality)[0])
    taken_in = np.zeros(rows.table.num_rows, dtype=np.int64)
    if ingested is not None and is_valid(rows.table[ingested]).any():
        times = parse_times(
            rows.table[ingested], subject=subject, time_zone=time_zone, row_numbers=rows.row_numbers
        ).instants
        taken_in = np.where(is_valid(times), microseconds(times), 0)
    return preference(rows.table.num_rows, scores, taken_in)
