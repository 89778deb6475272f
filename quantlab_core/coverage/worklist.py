"""The worklist: which slices to ask the source for again, because alerts need minutes that they do not span.

One entry per token and cohort day. With t0 and the 48 hours of `forward_coverage`, as of now:

- missing = the minutes of [t0, t0 + 48 h) of the day's alerts, up to now, that lie in a gap, or after the as-of time of
  the gaps: what has passed since they were measured was spanned by nobody;
- asked = the times up to which the source could answer when it was asked: 10 minutes before each of its answers was
  published, as the manifest tells, for asking takes time and sources lag; what another source answered is none of them;
- attempts = how many of these lie at or after the end of the last missing minute, so that it could have been answered;
- reason = never_asked without any; asked_too_early when every missing minute came after the last one; else no_answer
  when none of the needed minutes is spanned, and partly_answered when some are.

An entry is *waiting*, and not on the list, while all that is missing came after the last of these times and an alert's
48 hours are still running: nothing went wrong yet. It is *given up* once attempts reach the limit. While the 48 hours
run, what is missing reaches to now, so asking is not counted: nobody can have answered it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import pyarrow as pa

from quantlab_core.artifacts.table_attributes import attributes_of
from quantlab_core.artifacts.timestamp_text import parse_timestamp
from quantlab_core.candles.arrow_columns import compute, microseconds
from quantlab_core.candles.epoch_time import DAY_US, MINUTE_US, epoch_microseconds, instant_of
from quantlab_core.coverage.alert_windows import HORIZONS_H, WINDOW_MINUTES, first_minutes
from quantlab_core.interval_sets import union_of, within
from quantlab_core.token import Token

Reason = Literal["never_asked", "asked_too_early", "no_answer", "partly_answered"]
Window = tuple[int, int]

MOST_ATTEMPTS = 3
"""So often a slice is asked for in vain before it is given up."""

ANSWER_LAG_MINUTES = 10
_END_OF_TIME = 2**62


@dataclass(frozen=True, slots=True)
class Missing:
    """One slice that lacks minutes: ``alerts`` of ``day`` need ``minutes`` of [start, end), UTC, that nobody spans."""

    token: Token
    day: date
    alerts: int
    minutes: int
    start: datetime
    end: datetime
    reason: Reason
    attempts: int
    last_asked: datetime | None


@dataclass(frozen=True, slots=True)
class Worklist:
    """Slices to ask for again, those that more alerts need first; those given up, likewise; and how many wait.

    ``before_first_day`` are slices that lack minutes and that nobody can ask for: the graph does not know their days.
    """

    due: tuple[Missing, ...]
    given_up: tuple[Missing, ...]
    waiting: int
    before_first_day: int = 0

    def days(self) -> list[date]:
        """The cohort days of what is due, in order."""
        return sorted({missing.day for missing in self.due})


def worklist(
    coverage: pa.Table,
    gaps: pa.Table,
    asked: Callable[[Token, date], Sequence[datetime]],
    *,
    now: datetime,
    first_day: date = date.min,
    most_attempts: int = MOST_ATTEMPTS,
) -> Worklist:
    """The worklist of ``alert_forward_coverage_v1`` and ``coverage_gaps_v1``, measured together.

    ``asked`` gives the times at which answers of the source for a token and cohort day were published, in order; it is
    called only for slices that lack minutes. Those of days before ``first_day`` are counted, and not listed.
    """
    as_of_minute = epoch_microseconds(parse_timestamp(attributes_of(gaps)["as_of"])) // MINUTE_US
    now_minute = max(as_of_minute, epoch_microseconds(now) // MINUTE_US)
    gaps_of = _gaps_by_token(gaps)
    due, given_up, waiting, before = list[Missing](), list[Missing](), 0, 0
    for (token, day), starts in _starts_by_slice(coverage):
        lacking = [*gaps_of.get(token, ()), (as_of_minute, _END_OF_TIME)]
        needed = union_of((start, min(start + WINDOW_MINUTES, now_minute)) for start in starts)
        missing = [part for window in needed for part in within(window, lacking)]
        if not missing:
            continue
        if day < first_day:
            before += 1
            continue
        times = asked(token, day)
        found = _described(token, day, starts, needed, missing, times)
        is_running = max(starts) + WINDOW_MINUTES > now_minute
        if found.reason == "asked_too_early" and is_running:
            waiting += 1
        elif found.attempts >= most_attempts:
            given_up.append(found)
        else:
            due.append(found)
    return Worklist(tuple(sorted(due, key=_urgency)), tuple(sorted(given_up, key=_urgency)), waiting, before)


def _urgency(missing: Missing) -> tuple[int, int, date, Token]:
    return -missing.alerts, -missing.minutes, missing.day, missing.token


def _described(
    token: Token,
    day: date,
    starts: Sequence[int],
    needed: Sequence[Window],
    missing: Sequence[Window],
    times: Sequence[datetime],
) -> Missing:
    first, end = missing[0][0], missing[-1][1]
    count = _length(missing)
    known_until = [epoch_microseconds(time) // MINUTE_US - ANSWER_LAG_MINUTES for time in times]
    reason: Reason = "partly_answered" if count < _length(needed) else "no_answer"
    if not times:
        reason = "never_asked"
    elif known_until[-1] <= first:
        reason = "asked_too_early"
    return Missing(
        token=token,
        day=day,
        alerts=sum(any(start < stop and begin < start + WINDOW_MINUTES for begin, stop in missing) for start in starts),
        minutes=count,
        start=instant_of(first * MINUTE_US),
        end=instant_of(end * MINUTE_US),
        reason=reason,
        attempts=sum(minute >= end for minute in known_until),
        last_asked=times[-1] if times else None,
    )


def _length(windows: Iterable[Window]) -> int:
    return sum(end - start for start, end in windows)


def _gaps_by_token(gaps: pa.Table) -> dict[Token, list[Window]]:
    starts, ends = ((microseconds(gaps[name]) // MINUTE_US).tolist() for name in ("from_ts", "to_ts"))
    found: dict[Token, list[Window]] = {}
    for token, start, end in zip(_tokens(gaps, "token_address"), starts, ends, strict=True):
        found.setdefault(token, []).append((start, end))
    return found


def _tokens(table: pa.Table, address_column: str) -> Iterable[Token]:
    chains, addresses = (table[name].to_pylist() for name in ("chain", address_column))
    return (Token(str(chain), str(address)) for chain, address in zip(chains, addresses, strict=True))


def _starts_by_slice(coverage: pa.Table) -> Iterable[tuple[tuple[Token, date], list[int]]]:
    """Per token and cohort day where its alerts' windows begin, for slices with an alert that is not all spanned."""
    longest = coverage.filter(compute.equal(coverage["horizon_h"], HORIZONS_H[-1]))
    short = compute.less(longest["spanned_minutes"], longest["expected_minutes"])
    lacking = longest.filter(short)
    days = microseconds(lacking["alert_ts_utc"]) // DAY_US
    found: dict[tuple[Token, date], list[int]] = {}
    starts = first_minutes(lacking).tolist()
    for token, day, start in zip(_tokens(lacking, "mint"), days.tolist(), starts, strict=True):
        found.setdefault((token, instant_of(day * DAY_US).date()), []).append(start)
    return found.items()
