"""What the worklist of coverage names is asked for again, and all that rests on it is brought up to date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from quantlab_assets.workflows.lake_runs import LakeRuns
from quantlab_assets.workflows.refresh_research import refresh_research
from quantlab_core.coverage.worklist import MOST_ATTEMPTS, Missing
from quantlab_core.errors import InvalidInputError
from quantlab_resources.coverage.current_coverage import current_worklist


@dataclass(frozen=True, slots=True)
class FetchedGaps:
    """Slices that were asked for again, on which days, and the minutes they lacked before and lack now.

    A slice that the source was asked for again may have been given up since; its minutes are counted all the same.
    """

    slices: int
    days: tuple[date, ...]
    minutes_before: int
    minutes_now: int
    complete: int


def fetch_gaps(
    runs: LakeRuns, *, limit: int | None = None, most_attempts: int = MOST_ATTEMPTS, with_given_up: bool = False
) -> FetchedGaps:
    """Cut the slices of the worklist's days again, of its first ``limit`` entries (None: of all).

    ``with_given_up`` asks once more for what was asked for ``most_attempts`` times in vain, after the rest. A day is
    what is asked for: its tokens are one question to the source. Days without an entry are not asked for.
    Raises InvalidInputError where the candle source holds nothing at all, and CandleSourceError.
    """
    found = current_worklist(runs.lab, most_attempts=most_attempts)
    listed = [] if found is None else [*found.due, *(found.given_up if with_given_up else ())]
    wanted = listed[:limit]
    if not wanted:
        return FetchedGaps(0, (), 0, 0, 0)
    if not runs.lab.candle_source.holds_any():
        raise InvalidInputError(
            "the candle source holds nothing yet: `quantlab ohlcv import` brings candles in, "
            "and QUANTLAB_CANDLES names another source"
        )
    days = sorted({missing.day for missing in wanted})
    refresh_research(runs, days)
    after = current_worklist(runs.lab, most_attempts=most_attempts)
    left = _minutes_of([] if after is None else [*after.due, *after.given_up])
    before = _minutes_of(wanted)
    return FetchedGaps(
        slices=len(wanted),
        days=tuple(days),
        minutes_before=sum(before.values()),
        minutes_now=sum(left.get(key, 0) for key in before),
        complete=sum(key not in left for key in before),
    )


def _minutes_of(entries: Iterable[Missing]) -> dict[tuple[str, date], int]:
    return {(missing.token.partition_key, missing.day): missing.minutes for missing in entries}
