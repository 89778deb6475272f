"""What an experiment does with poorly covered alerts: those after which the source was asked for too little.

For an alert that can be acted on from a, and the longest life L of the strategies (see `longest_life_us`):

- expected = L in minutes, rounded up; t0 = first whole minute strictly after a, as in `forward_coverage`;
- spanned = minutes of [t0, t0 + expected) that lie wholly inside a source span of the token's series; without spans
  the time from its first candle to its last counts as one, without a series nothing is spanned;
- an alert is poorly covered when spanned / expected < `LEAST_SPAN_RATIO`.

Silence inside a span is data: a token that died after the call is covered. Whether an alert is covered nobody knew at
the call, and it may be for its death that a token was not asked for. So leaving such alerts out is never the default.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from quantlab_core.candles.epoch_time import MINUTE_US
from quantlab_core.candles.spanned_intervals import SpannedIntervals
from quantlab_core.coverage.thresholds import DEFAULT_THRESHOLDS
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment_alerts import ExperimentAlerts, calls_of
from quantlab_core.experiments.selection import CoveragePolicy
from quantlab_core.simulation.candle_pack import NO_SERIES, Calls, CandlePack
from quantlab_core.simulation.outcome_codes import NO_REASON, POORLY_COVERED
from quantlab_core.simulation.strategy import Strategy
from quantlab_core.simulation.trade_life import longest_life_us

LEAST_SPAN_RATIO = DEFAULT_THRESHOLDS.partial
"""Below it an alert is poorly covered. Fixed, so that no setting of a machine changes a result."""


def with_coverage_policy(
    alerts: ExperimentAlerts, pack: CandlePack, policy: CoveragePolicy, strategies: Iterable[Strategy]
) -> ExperimentAlerts:
    """``alerts`` as ``policy`` leaves them: ``exclude`` takes out the poorly covered ones that would be traded.

    All ``strategies`` get the same alerts: coverage is judged over the longest of their lives. Raises InvalidInputError
    under ``refuse`` when an alert is poorly covered, and where the candles of a token that is traded are at fault.
    """
    if policy == "accept":
        return alerts
    minutes = -(-max(longest_life_us(strategy) for strategy in strategies) // MINUTE_US)
    is_traded = alerts.exclusion == NO_REASON
    is_poor = is_traded & (span_ratios(pack, calls_of(alerts, pack), minutes) < LEAST_SPAN_RATIO)
    if policy == "refuse" and is_poor.any():
        first = alerts.columns.alert_id[int(np.argmax(is_poor))].as_py()
        raise InvalidInputError(
            f"selection: coverage refuse: {is_poor.sum()} of {is_traded.sum()} alerts are poorly covered, the first is "
            f"{first}: the source was asked for less than {LEAST_SPAN_RATIO:.0%} of the {minutes} minutes after the "
            "call; fetch these candles (quantlab ohlcv gaps) and freeze them anew, or use coverage accept or exclude"
        )
    return replace(alerts, exclusion=np.where(is_poor, np.int8(POORLY_COVERED), alerts.exclusion))


def span_ratios(pack: CandlePack, calls: Calls, minutes: int) -> npt.NDArray[np.float64]:
    """Per call the share of the ``minutes`` after it that its source was asked for; 0 without a series."""
    starts = calls.tradable_from_ms * 1_000 // MINUTE_US + 1
    spanned = np.zeros(len(calls), dtype=np.int64)
    by_series = np.argsort(calls.series_index, kind="stable")
    found, first = np.unique(calls.series_index[by_series], return_index=True)
    for series_index, rows in zip(found.tolist(), np.split(by_series, first)[1:], strict=True):
        if series_index != NO_SERIES:
            whole = SpannedIntervals.of_stamps(pack.known_us(series_index), MINUTE_US)
            spanned[rows] = whole.before(starts[rows] + minutes) - whole.before(starts[rows])
    return spanned / minutes
