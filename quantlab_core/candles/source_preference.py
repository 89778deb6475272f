"""Which of several rows of one minute their source itself prefers: by quality, then by when it took them in."""

from __future__ import annotations

import numpy as np

from quantlab_core.candles.arrow_columns import Floats, Integers
from quantlab_core.candles.neighbouring_rows import repeats_previous


def preference(rows: int, quality: Floats | None, ingested: Integers | None) -> Integers | None:
    """A rank per row: higher is better, equal where the source says nothing.

    A row without quality (NaN) ranks below those that have one; what stands for no time is for the caller to choose,
    below all times. None where neither is known of any row.
    """
    if quality is None and ingested is None:
        return None
    scores = np.zeros(rows) if quality is None else np.where(np.isnan(quality), -np.inf, quality)
    taken_in = np.zeros(rows, dtype=np.int64) if ingested is None else ingested
    order = np.lexsort((taken_in, scores))
    ranks = np.empty(rows, dtype=np.int64)
    ranks[order] = np.cumsum(~repeats_previous(scores[order], taken_in[order]))
    return ranks
