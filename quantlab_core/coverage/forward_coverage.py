"""How well the time after each alert is covered. The formulas are ours; `docs/coverage.md` works them through.

For an alert at time a, with whole minutes m = [m, m + 1 min):

- t0 = first whole minute strictly after a; the horizon of h hours is the minutes of [t0, t0 + h);
- expected = 60 h; spanned = expected minutes that lie wholly inside a source span of the token's series;
- present = spanned minutes with a candle; traded = present minutes whose candle has a volume above zero;
- largest silence = longest run of neighbouring spanned minutes without a candle;
- span ratio = spanned / expected; activity ratio = traded / spanned (null when nothing is spanned);
- verdict = pending while t0 + h is after the as-of time, else by span ratio and `Thresholds`.

So 0 <= traded <= present <= spanned <= expected. Silence inside a span never lowers the verdict: a token that died
after the call is covered, and must stay in an experiment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from quantlab_core.artifacts.table_attributes import with_attributes
from quantlab_core.candles.arrow_columns import Integers, floats, instants, int32s
from quantlab_core.candles.epoch_time import MINUTE_US, epoch_microseconds
from quantlab_core.coverage.alert_windows import HORIZONS_H, first_minutes
from quantlab_core.coverage.artifact_types import ALERT_FORWARD_COVERAGE
from quantlab_core.coverage.silent_runs import SilentRuns
from quantlab_core.coverage.thresholds import PENDING, Thresholds
from quantlab_core.coverage.token_minutes import TokenMinutes

NO_CANDLE = np.int64(-1)


class ForwardCounts:
    """Counts per alert and horizon, filled in one token at a time; an alert of no token given has nothing spanned."""

    def __init__(self, alerts: pa.Table) -> None:
        """``alerts`` has ``alert_ts_utc``, ``alert_id``, ``chain`` and ``mint``."""
        self._alerts = alerts
        self._starts = np.repeat(first_minutes(alerts), len(HORIZONS_H))
        self._ends = self._starts + np.tile(np.array(HORIZONS_H, dtype=np.int64) * 60, alerts.num_rows)
        self._spanned, self._present, self._traded, self._silence = (np.zeros_like(self._starts) for _ in range(4))
        self._first, self._last = (np.full_like(self._starts, NO_CANDLE) for _ in range(2))

    def take(self, positions: Integers, series: TokenMinutes) -> None:
        """Count the alerts at these positions, all of the token whose series this is."""
        rows = (positions[:, None] * len(HORIZONS_H) + np.arange(len(HORIZONS_H))).ravel()
        start, end = self._starts[rows], self._ends[rows]
        low, high = np.searchsorted(series.minutes, start), np.searchsorted(series.minutes, end)
        self._spanned[rows] = series.spanned.before(end) - series.spanned.before(start)
        self._present[rows] = high - low
        self._traded[rows] = series.traded_before[high] - series.traded_before[low]
        has_candle = high > low
        self._first[rows[has_candle]] = series.minutes[low[has_candle]]
        self._last[rows[has_candle]] = series.minutes[high[has_candle] - 1]
        runs = SilentRuns.between(series.spanned, series.minutes)
        self._silence[rows] = runs.longest_within(start, end)

    def table(self, as_of: datetime, thresholds: Thresholds) -> pa.Table:
        """One row per alert and horizon: schema, order and attributes of ``alert_forward_coverage_v1``."""
        expected = self._ends - self._starts
        span_ratio = self._spanned / expected
        is_spanned = self._spanned > 0
        activity = np.divide(self._traded, self._spanned, out=np.zeros(len(expected)), where=is_spanned)
        verdicts = thresholds.verdicts(span_ratio, self._ends * MINUTE_US > epoch_microseconds(as_of))
        named = (self._alerts[name] for name in ("alert_ts_utc", "alert_id", "chain", "mint"))
        table = pa.table(
            [
                *(_repeated(column, len(HORIZONS_H)) for column in named),
                pa.array(np.tile(np.array(HORIZONS_H, dtype=np.int32), self._alerts.num_rows)),
                *(int32s(counts) for counts in (expected, self._spanned, self._present, self._traded)),
                _instants(self._first),
                _instants(self._last),
                int32s(self._silence),
                pa.array(span_ratio),
                pa.array(activity, mask=~is_spanned),
                pa.array(verdicts.tolist(), pa.string()),
            ],
            schema=ALERT_FORWARD_COVERAGE.schema,
        )
        ordered = table.sort_by([(name, "ascending") for name in ALERT_FORWARD_COVERAGE.sort_key])
        return with_attributes(ordered, thresholds.attributes)


def judged(coverage: pa.Table, thresholds: Thresholds, *, as_of: datetime | None = None) -> pa.Table:
    """The same coverage with the verdicts of other thresholds, and of another as-of time where one is given.

    Counts and ratios depend on neither.
    """
    if as_of is None:
        is_open = np.asarray(coverage["verdict"].to_numpy(zero_copy_only=False) == PENDING, dtype=np.bool_)
    else:
        horizons = coverage["horizon_h"].to_numpy().astype(np.int64)
        is_open = (first_minutes(coverage) + 60 * horizons) * MINUTE_US > epoch_microseconds(as_of)
    verdicts = pa.array(thresholds.verdicts(floats(coverage["span_ratio"]), is_open).tolist(), pa.string())
    position = coverage.schema.get_field_index("verdict")
    return with_attributes(
        coverage.set_column(position, coverage.schema.field("verdict"), verdicts), thresholds.attributes
    )


def _instants(minutes: Integers) -> pa.Array[Any]:
    return instants(minutes * MINUTE_US, mask=minutes == NO_CANDLE)


def _repeated(column: pa.ChunkedArray[Any], times: int) -> pa.ChunkedArray[Any]:
    return column.take(pa.array(np.repeat(np.arange(len(column)), times), pa.int64()))
