"""Whether an exchange's volume counts the traded coin: candles that give turnover beside volume prove it.

Turnover divided by volume is the average price paid, which lies between low and high. Contracts of a fixed value, whose
number some exchanges give as volume, do not pass.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from quantlab_resources.candles.files.number_columns import parse_numbers

TOLERANCE = 1e-6


def counts_the_coin(table: pa.Table, columns: Mapping[str, str], turnover: str) -> bool:
    """Whether in every traded candle turnover / volume lies between low and high; False when none was traded."""
    if table.num_rows == 0 or turnover not in table.column_names:
        return False
    low, high, volume, paid = (
        parse_numbers(table, name)[0].to_numpy(zero_copy_only=False)
        for name in (columns["low"], columns["high"], columns["volume"], turnover)
    )
    traded = (volume > 0) & (paid > 0) & np.isfinite(low) & np.isfinite(high)
    if not traded.any():
        return False
    average = paid[traded] / volume[traded]
    return bool(((average >= low[traded] * (1 - TOLERANCE)) & (average <= high[traded] * (1 + TOLERANCE))).all())
