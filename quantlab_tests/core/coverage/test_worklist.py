"""The worklist: what is asked for again, in which order, why, and when it is given up."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from quantlab_core.candles.arrow_columns import compute
from quantlab_core.coverage.measured_coverage import measure_coverage
from quantlab_core.coverage.worklist import Missing, Worklist, worklist
from quantlab_core.token import Token
from quantlab_tests.core.candles.candle_tables import TOKEN, minute, series
from quantlab_tests.core.coverage.alert_rows import OTHER, alerts

DAY = date(2025, 5, 1)
LATER = minute(10_000)
HOURS_48 = 2_880
ANSWERED = timedelta(minutes=10)
"""From the last minute that an answer can hold to its publication."""

Calls = list[tuple[str, datetime] | tuple[str, datetime, Token]]
Spans = list[tuple[int, int]]


def listed(
    calls: Calls,
    spans: Spans | None = None,
    *asked: datetime,
    as_of: datetime = LATER,
    now: datetime | None = None,
    most_attempts: int = 3,
) -> Worklist:
    """The worklist over one series with ``spans`` (None: without it), asked for at these times whatever the day."""
    candles = {} if spans is None else {TOKEN: series([], spans)}
    measured = measure_coverage(alerts(*calls), candles, as_of=as_of)
    return worklist(
        measured.forward, measured.gaps, lambda _token, _day: asked, now=now or as_of, most_attempts=most_attempts
    )


def only(found: Worklist) -> Missing:
    (missing,) = found.due
    return missing


def test_what_is_spanned_is_not_listed() -> None:
    assert listed([("a", minute(0))], [(0, HOURS_48 + 1)]) == Worklist((), (), 0)


def test_a_slice_worked_by_hand() -> None:
    """Calls at 0 and 600 need [1, 3481); spanned are [1, 700) and [800, 3481): 100 minutes are missing to both."""
    asked = LATER - timedelta(days=1)
    found = only(listed([("a", minute(0)), ("b", minute(600))], [(0, 700), (800, 9_000)], asked))
    assert found == Missing(
        TOKEN, DAY, alerts=2, minutes=100, start=minute(700), end=minute(800),
        reason="partly_answered", attempts=1, last_asked=asked,
    )  # fmt: skip


def test_alerts_count_where_they_need_something_of_it() -> None:
    found = only(listed([("a", minute(0)), ("b", minute(1_000))], [(0, 3_000)], LATER))
    assert (found.alerts, found.minutes) == (1, 881)


@pytest.mark.parametrize(
    ("spans", "asked", "reason"),
    [
        (None, [], "never_asked"),
        ([(0, 500)], [], "never_asked"),
        (None, [LATER], "no_answer"),
        ([(0, 500)], [LATER], "partly_answered"),
        ([(0, 500)], [minute(500)], "asked_too_early"),
        ([(0, 500)], [minute(500) + ANSWERED], "asked_too_early"),
        ([(0, 500)], [minute(501) + ANSWERED], "partly_answered"),
        ([(5, 500)], [minute(500)], "partly_answered"),
    ],
)
def test_the_reason_is_what_is_known_of_the_asking(spans: Spans | None, asked: list[datetime], reason: str) -> None:
    assert only(listed([("a", minute(0))], spans, *asked)).reason == reason


def test_the_slice_that_most_alerts_need_comes_first_then_the_one_that_lacks_most() -> None:
    tokens = [Token("solana", f"{letter}{TOKEN.address[1:]}") for letter in "234"]
    calls: Calls = [("a", minute(0), tokens[0]), ("b", minute(0), tokens[1]), ("c", minute(9), tokens[1])]
    calls += [("d", minute(0), tokens[2]), ("e", minute(1_440), tokens[2])]
    found = listed(calls, as_of=minute(HOURS_48))
    order = [(missing.token, missing.day.day) for missing in found.due]
    assert order == [(tokens[1], 1), (tokens[0], 1), (tokens[2], 1), (tokens[2], 2)]
    assert found.days() == [date(2025, 5, 1), date(2025, 5, 2)]


def test_a_slice_that_was_asked_for_in_vain_is_given_up_and_stays_known() -> None:
    asked = [LATER + timedelta(days=number) for number in range(3)]
    twice, thrice = (listed([("a", minute(0))], None, *asked[:times]) for times in (2, 3))
    assert (only(twice).attempts, twice.given_up) == (2, ())
    assert (thrice.due, [missing.attempts for missing in thrice.given_up]) == ((), [3])
    assert only(listed([("a", minute(0))], None, *asked, most_attempts=4)).attempts == 3


def test_only_questions_that_could_be_answered_are_attempts() -> None:
    early = [minute(number) for number in range(10, 2_000, 100)]
    assert only(listed([("a", minute(0))], [(5, 1_900)], *early)).attempts == 0


def test_a_question_counts_from_the_end_of_what_is_missing_on() -> None:
    end = minute(HOURS_48 + 1) + ANSWERED
    counts = [only(listed([("a", minute(0))], None, asked)).attempts for asked in (end - timedelta(minutes=1), end)]
    assert counts == [0, 1]


def test_a_call_whose_hours_are_running_waits_when_nothing_else_is_missing() -> None:
    asked = minute(100) + ANSWERED
    running = listed([("a", minute(0))], [(0, 100)], asked, as_of=minute(100), now=minute(500))
    assert running == Worklist((), (), waiting=1)
    over = only(listed([("a", minute(0))], [(0, 100)], asked, as_of=minute(100), now=minute(HOURS_48 + 1)))
    assert (over.reason, over.minutes, over.end) == ("asked_too_early", HOURS_48 + 1 - 100, minute(HOURS_48 + 1))


def test_a_call_of_today_that_nobody_asked_for_is_due_at_once() -> None:
    found = only(listed([("a", minute(0))], None, as_of=minute(30), now=minute(60)))
    assert (found.reason, found.minutes, found.attempts) == ("never_asked", 59, 0)


def test_asking_does_not_count_while_the_hours_run() -> None:
    asked = [minute(200) + number * ANSWERED for number in range(9)]
    found = listed([("a", minute(0))], [(50, 200)], *asked, as_of=minute(300), now=minute(400))
    assert only(found).attempts == 0


def test_the_day_is_the_utc_day_of_the_call() -> None:
    calls: Calls = [("a", datetime(2025, 5, 1, 23, 59, 59, tzinfo=UTC)), ("b", datetime(2025, 5, 2, tzinfo=UTC), OTHER)]
    asked: dict[Token, date] = {}
    measured = measure_coverage(alerts(*calls), {}, as_of=LATER)
    worklist(measured.forward, measured.gaps, lambda token, day: asked.update({token: day}) or [], now=LATER)  # type: ignore[func-returns-value]
    assert asked == {TOKEN: date(2025, 5, 1), OTHER: date(2025, 5, 2)}


def test_only_slices_that_lack_something_are_looked_up() -> None:
    def nobody(token: Token, day: date) -> list[datetime]:
        raise AssertionError((token, day))

    candles: Mapping[Token, object] = {TOKEN: series([], [(0, HOURS_48 + 1)])}
    measured = measure_coverage(alerts(("a", minute(0))), dict(candles), as_of=LATER)  # type: ignore[arg-type]
    assert compute.sum(measured.gaps["missing_minutes"]).as_py() is None
    assert worklist(measured.forward, measured.gaps, nobody, now=LATER).due == ()
