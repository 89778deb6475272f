"""UTC instants as text: three stored forms, read back to the same instant, and limits as users write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantlab_core.artifacts.timestamp_text import (
    earliest_timestamp,
    format_timestamp,
    format_timestamp_short,
    format_timestamp_us,
    latest_timestamp,
    parse_day_or_timestamp,
    parse_timestamp,
)
from quantlab_core.errors import InvalidInputError

BERLIN_SUMMER = timezone(timedelta(hours=2))
INSTANT = datetime(2025, 5, 1, 14, 34, 56, 789_999, BERLIN_SUMMER)
INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - the zone is drawn
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, BERLIN_SUMMER, timezone(-timedelta(hours=9, minutes=30))]),
)


def test_each_form_is_utc_and_ends_in_z() -> None:
    assert format_timestamp(INSTANT) == "2025-05-01T12:34:56.789Z"
    assert format_timestamp_us(INSTANT) == "2025-05-01T12:34:56.789999Z"
    assert format_timestamp_short(INSTANT) == "2025-05-01T12:34:56.789999Z"
    assert format_timestamp_short(INSTANT.replace(microsecond=0)) == "2025-05-01T12:34:56Z"


@given(instant=INSTANTS)
def test_what_was_written_is_read_back_as_the_same_instant(instant: datetime) -> None:
    assert parse_timestamp(format_timestamp_us(instant)) == instant
    assert parse_timestamp(format_timestamp_short(instant)) == instant
    assert instant - parse_timestamp(format_timestamp(instant)) < timedelta(milliseconds=1)


@given(first=INSTANTS, second=INSTANTS)
def test_stored_texts_sort_as_their_instants_do(first: datetime, second: datetime) -> None:
    earlier, later = sorted([first, second])
    assert format_timestamp_us(earlier) <= format_timestamp_us(later)
    assert format_timestamp(earlier) <= format_timestamp(later)


@pytest.mark.parametrize("write", [format_timestamp, format_timestamp_us, format_timestamp_short])
def test_an_instant_without_a_zone_is_refused(write) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidInputError, match="has no zone"):
        write(datetime(2025, 5, 1))  # noqa: DTZ001


@pytest.mark.parametrize(("text", "reason"), [("soon", "not an ISO 8601 time"), ("2025-05-01T12:00:00", "has no zone")])
def test_text_that_names_no_instant_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        parse_timestamp(text)


def test_a_date_covers_its_utc_day_and_a_time_nothing_more() -> None:
    assert parse_day_or_timestamp("2025-05-01") == (datetime(2025, 5, 1, tzinfo=UTC), datetime(2025, 5, 2, tzinfo=UTC))
    noon = datetime(2025, 5, 1, 12, tzinfo=UTC)
    assert parse_day_or_timestamp("2025-05-01T14:00:00+02:00") == (noon, noon)


def test_limits_let_the_whole_day_through_and_a_time_itself() -> None:
    assert earliest_timestamp("2025-05-01") == "2025-05-01T00:00:00.000Z"
    assert latest_timestamp("2025-05-01") == "2025-05-01T23:59:59.999Z"
    assert earliest_timestamp("2025-05-01T12:00:00Z") == latest_timestamp("2025-05-01T12:00:00Z")


@pytest.mark.parametrize("text", ["2025-13-01", "yesterday", "", "2025-05-01T12:00:00", "9999-12-31"])
def test_a_limit_that_is_no_date_and_no_time_with_zone_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        parse_day_or_timestamp(text)
