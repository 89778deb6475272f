"""Messages that state local times only are placed by the zone that the user names, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from quantlab_core.alerts.local_times import utc_text
from quantlab_core.alerts.telegram_message import TelegramMessage, UnreadableMessage, normalise_message
from quantlab_tests.core.alerts.invented_chat import CHAT

BERLIN = ZoneInfo("Europe/Berlin")


def read(date: object, zone: ZoneInfo | None = BERLIN, **more: Any) -> TelegramMessage | UnreadableMessage:
    return normalise_message(
        {"id": 1, "type": "message", "date": date, "text": "gm", **more}, chat=CHAT, ordinal=0, time_zone=zone
    )


def placed(date: str, zone: ZoneInfo = BERLIN, **more: Any) -> TelegramMessage:
    one = read(date, zone, **more)
    assert isinstance(one, TelegramMessage)
    return one


def test_a_local_date_is_placed_with_the_zones_own_summer_time() -> None:
    assert placed("2021-07-01T18:30:05").sent_ts == datetime(2021, 7, 1, 16, 30, 5, tzinfo=UTC)
    assert placed("2021-01-01T18:30:05").sent_ts == datetime(2021, 1, 1, 17, 30, 5, tzinfo=UTC)
    assert placed("2021-07-01T18:30:05").sent_ts.tzinfo is UTC


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.integers(1_376_438_400, 4_102_444_799))
@example(1_735_689_599)
@example(1_735_689_600)
def test_the_text_of_a_time_is_its_iso_format(unix_s: int) -> None:
    time = datetime.fromtimestamp(unix_s, UTC)
    assert utc_text(time) == time.isoformat()


def test_unix_time_counts_more_than_the_local_date() -> None:
    assert placed("2021-07-01T18:30:05", date_unixtime="1625000000").sent_ts == datetime.fromtimestamp(1625000000, UTC)


@pytest.mark.parametrize(
    ("date", "zone", "rule_id"),
    [
        ("2021-10-31T02:30:00", BERLIN, "ambiguous_local_time"),
        ("2021-03-28T02:30:00", BERLIN, "nonexistent_local_time"),
        ("2021-07-01T18:30:05", None, "undated"),
        (None, BERLIN, "undated"),
        ("2021-07-01", BERLIN, "bad_date"),
        ("2021-07-01T18:30:05Z", BERLIN, "bad_date"),
        ("2021-02-30T18:30:05", BERLIN, "bad_date"),
        ("0001-01-01T00:00:00", BERLIN, "bad_date"),
        ("9999-12-31T23:59:59", BERLIN, "bad_date"),
        ("2013-01-01T00:00:00", BERLIN, "bad_date"),
        (1_625_000_000, BERLIN, "bad_date"),
    ],
)
def test_a_time_that_cannot_be_known_quarantines_the_message(date: object, zone: ZoneInfo | None, rule_id: str) -> None:
    one = read(date, zone)
    assert isinstance(one, UnreadableMessage)
    assert (one.rule_id, one.sent_ts, one.message_id) == (rule_id, None, 1)


def test_the_hours_around_a_change_of_clocks_are_certain() -> None:
    assert placed("2021-10-31T01:59:59").sent_ts == datetime(2021, 10, 30, 23, 59, 59, tzinfo=UTC)
    assert placed("2021-10-31T03:00:00").sent_ts == datetime(2021, 10, 31, 2, tzinfo=UTC)
    assert placed("2021-03-28T03:00:00").sent_ts == datetime(2021, 3, 28, 1, tzinfo=UTC)


def test_a_local_edit_time_is_kept_and_of_two_possible_ones_the_later() -> None:
    assert placed("2021-07-01T18:30:05", edited="2021-07-01T19:00:00").edited_ts == datetime(2021, 7, 1, 17, tzinfo=UTC)
    twice = placed("2021-07-01T18:30:05", edited="2021-10-31T02:30:00").edited_ts
    assert twice == datetime(2021, 10, 31, 1, 30, tzinfo=UTC)
    assert placed("2021-07-01T18:30:05", edited="1970-01-01T01:00:00").edited_ts is None  # how old exports say "never"
    assert placed("2021-07-01T18:30:05", edited="later").edited_ts is None


def test_an_old_and_a_new_export_of_one_message_have_the_same_content() -> None:
    old = placed("2021-07-01T18:30:05", edited="2021-07-01T19:00:00")
    new = placed("2021-07-01T18:30:05", date_unixtime="1625157005", edited_unixtime="1625158800")
    assert (old.sent_ts, old.content_id) == (new.sent_ts, new.content_id)
