"""Gaps: minutes that the alerts of a token need and that no source was asked for, or answered for.

For one token, with whole minutes:

- need = union over its alerts of [t0, t0 + 48 h), each cut at the as-of time: nobody can be asked for the future;
  its parts that neither overlap nor touch are *windows*;
- a gap = a longest run of neighbouring minutes of one window that lie in no source span;
- kind = start when it begins with its window (so also when the whole window is missing), else end when it ends with
  its window, else inside.

So the gaps of a token add up to the minutes of its need that are not spanned. A minute without a candle inside a span
is silence, which is data, and never a gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.arrow_columns import Integers, instants
from quantlab_core.candles.epoch_time import MINUTE_US
from quantlab_core.candles.resolution import ONE_MINUTE
from quantlab_core.coverage.alert_windows import WINDOW_MINUTES
from quantlab_core.coverage.artifact_types import COVERAGE_GAPS
from quantlab_core.coverage.token_minutes import TokenMinutes
from quantlab_core.interval_sets import union_of, without
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class Gap:
    """[start, end) of the need's window [window_start, window_end), in minutes; ``alerts`` need some of it."""

    token: Token
    start: int
    end: int
    window_start: int
    window_end: int
    alerts: int

    @property
    def kind(self) -> str:
        """Where in its window it lies: start, inside or end."""
        if self.start == self.window_start:
            return "start"
        return "end" if self.end == self.window_end else "inside"


def gaps_of(token: Token, starts: Integers, minutes: TokenMinutes, as_of_minute: int) -> list[Gap]:
    """The gaps of one token whose alerts need their windows from ``starts`` (minutes, in any order) on."""
    ordered = np.sort(starts)
    ends = np.minimum(ordered + WINDOW_MINUTES, as_of_minute)
    spans = list(zip(minutes.spanned.starts.tolist(), minutes.spanned.ends.tolist(), strict=True))
    return [
        Gap(token, start, end, *window, alerts=_alerts_in(ordered, start, end))
        for window in union_of(zip(ordered.tolist(), ends.tolist(), strict=True))
        for start, end in without(window, spans)
    ]


def _alerts_in(ordered_starts: Integers, start: int, end: int) -> int:
    """How many windows, all of one length, hold a minute of [start, end)."""
    first = np.searchsorted(ordered_starts, start - WINDOW_MINUTES, side="right")
    return int(np.searchsorted(ordered_starts, end, side="left") - first)


def gaps_table(gaps: Sequence[Gap], as_of_text: str) -> pa.Table:
    """The gaps with the schema, order and attributes of ``coverage_gaps_v1``."""

    def minutes(values: list[int]) -> pa.Array[Any]:
        return instants(np.array(values, dtype=np.int64) * MINUTE_US)

    ordered = sorted(gaps, key=lambda gap: (gap.token, gap.start))
    table = pa.table(
        [
            pa.array([gap.token.chain for gap in ordered], pa.string()),
            pa.array([gap.token.address for gap in ordered], pa.string()),
            pa.array([ONE_MINUTE] * len(ordered), pa.string()),
            minutes([gap.start for gap in ordered]),
            minutes([gap.end for gap in ordered]),
            pa.array([gap.end - gap.start for gap in ordered], pa.int32()),
            pa.array([gap.kind for gap in ordered], pa.string()),
            minutes([gap.window_start for gap in ordered]),
            minutes([gap.window_end for gap in ordered]),
            pa.array([gap.alerts for gap in ordered], pa.int32()),
        ],
        schema=COVERAGE_GAPS.schema,
    )
    return with_attributes(table, {"as_of": as_of_text})
