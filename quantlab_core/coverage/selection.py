"""Part of a coverage: the alerts of some days, of a chain or of a token, and the worst of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from quantlab_core.candles.arrow_columns import compute, floats, microseconds, one_array
from quantlab_core.coverage.alert_windows import HORIZONS_H
from quantlab_core.coverage.thresholds import PENDING
from quantlab_core.errors import InvalidInputError
from quantlab_core.token import split_token_name


@dataclass(frozen=True, slots=True)
class CoverageSelection:
    """Alerts with start <= sent < end (UTC) of this chain, token and horizon; None leaves a condition out.

    ``token`` is an address or ``<chain>:<address>``.
    """

    start: datetime | None = None
    end: datetime | None = None
    chain: str | None = None
    token: str | None = None
    horizon_h: int | None = None

    def __post_init__(self) -> None:
        if self.horizon_h is not None and self.horizon_h not in HORIZONS_H:
            raise InvalidInputError(
                f"there is no horizon of {self.horizon_h} hours; there are {', '.join(map(str, HORIZONS_H))}"
            )

    def of(self, coverage: pa.Table) -> pa.Table:
        """The rows of an ``alert_forward_coverage_v1`` that are meant, in their order."""
        stamps = coverage["alert_ts_utc"]
        conditions = []
        if self.start is not None:
            conditions.append(compute.greater_equal(stamps, pa.scalar(self.start, stamps.type)))
        if self.end is not None:
            conditions.append(compute.less(stamps, pa.scalar(self.end, stamps.type)))
        if self.chain is not None:
            conditions.append(compute.equal(coverage["chain"], self.chain))
        if self.token is not None:
            chain, address = split_token_name(self.token)
            conditions.append(compute.equal(coverage["mint"], address))
            if chain:
                conditions.append(compute.equal(coverage["chain"], chain))
        if self.horizon_h is not None:
            conditions.append(compute.equal(coverage["horizon_h"], self.horizon_h))
        for condition in conditions[1:]:
            conditions[0] = compute.and_(conditions[0], condition)
        return coverage.filter(conditions[0]) if conditions else coverage


def worst(coverage: pa.Table, number: int) -> pa.Table:
    """The ``number`` rows that are covered worst, worst first; of equally spanned ones the earlier alert.

    What is pending is not over and among neither.
    """
    over = coverage.filter(compute.not_equal(coverage["verdict"], PENDING))
    ids = np.asarray(one_array(over["alert_id"]).to_numpy(zero_copy_only=False), dtype=np.str_)
    order = np.lexsort((ids, microseconds(over["alert_ts_utc"]), floats(over["span_ratio"])))
    return over.take(pa.array(order[:number], pa.int64()))
