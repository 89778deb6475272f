"""How much of a result hangs on a few trades."""

from __future__ import annotations

import math
from collections.abc import Sequence

from quantlab_core.statistics.sharpe_evidence import ROUNDING


def tail_share(pnls: Sequence[float]) -> float | None:
    """Share of the total that the best hundredth of the trades made, at least one trade; None without a profit."""
    total = math.fsum(pnls)
    if total <= ROUNDING * math.fsum(map(abs, pnls)):
        return None
    top = sorted(pnls, reverse=True)[: math.ceil(len(pnls) / 100)]
    return math.fsum(top) / total
