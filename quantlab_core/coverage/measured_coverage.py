"""The three tables of coverage, measured together: each token's series is looked at once, and one at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.timestamp_text import format_timestamp
from quantlab_core.candles.epoch_time import MINUTE_US, epoch_microseconds
from quantlab_core.candles.neighbouring_rows import group_ranges
from quantlab_core.candles.token_codes import token_codes
from quantlab_core.coverage.alert_windows import first_minutes
from quantlab_core.coverage.forward_coverage import ForwardCounts
from quantlab_core.coverage.gaps import Gap, gaps_of, gaps_table
from quantlab_core.coverage.summary import summarize
from quantlab_core.coverage.thresholds import DEFAULT_THRESHOLDS, Thresholds
from quantlab_core.coverage.token_minutes import TokenMinutes
from quantlab_core.token import Token


@dataclass(frozen=True, slots=True)
class MeasuredCoverage:
    """``alert_forward_coverage_v1``, ``coverage_gaps_v1`` and ``coverage_summary_v1`` of the same alerts and series."""

    forward: pa.Table
    gaps: pa.Table
    summary: pa.Table


@dataclass(frozen=True, slots=True)
class AlertCoverage:
    """``alert_forward_coverage_v1`` of some alerts, and as of when they were judged (UTC text)."""

    forward: pa.Table
    as_of: str


def measure_coverage(
    alerts: pa.Table,
    candles: Mapping[Token, pa.Table],
    *,
    as_of: datetime,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> MeasuredCoverage:
    """Measure how well ``candles`` cover the time after ``alerts``.

    ``alerts`` has ``alert_ts_utc``, ``alert_id``, ``chain`` and ``mint``. ``candles`` has the 1m series of tokens with
    their attributes; a token that is absent is covered by nothing. ``as_of`` is the instant up to which the series
    could hold anything: later horizons are pending. Raises InvalidInputError for a series of another resolution.
    """
    encoded = token_codes(alerts, "mint")
    by_token = np.argsort(encoded.codes, kind="stable")
    ranges = group_ranges(encoded.codes[by_token], len(encoded.tokens))
    starts, as_of_minute = first_minutes(alerts), epoch_microseconds(as_of) // MINUTE_US
    counts, gaps = ForwardCounts(alerts), list[Gap]()
    for token, (start, stop) in zip(encoded.tokens, ranges, strict=True):
        positions = by_token[start:stop]
        minutes = TokenMinutes.of(token, candles.get(token))
        counts.take(positions, minutes)
        gaps += gaps_of(token, starts[positions], minutes, as_of_minute)
    forward, frozen_at = counts.table(as_of, thresholds), format_timestamp(as_of)
    return MeasuredCoverage(forward, gaps_table(gaps, frozen_at), summarize(forward, frozen_at))
