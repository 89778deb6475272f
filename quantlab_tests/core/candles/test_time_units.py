"""Times of a candle file: epoch units by magnitude, ISO text, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.candles.time_units import parse_times
from quantlab_core.errors import CandleFileError

AT = datetime(2025, 5, 1, 20, 48, tzinfo=UTC)
SECONDS = 1_746_132_480


def read(values: list[Any], type_: pa.DataType | None = None, time_zone: str | None = None) -> list[datetime | None]:
    return parse_times(pa.array(values, type_), subject="file.csv", time_zone=time_zone).instants.to_pylist()


@pytest.mark.parametrize(
    ("per_second", "form"), [(1, "seconds"), (10**3, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
@pytest.mark.parametrize("as_written", [int, float, str, lambda stamp: f"{float(stamp)!r}"])
def test_an_epoch_unit_follows_from_its_magnitude(per_second: int, form: str, as_written: Any) -> None:
    parsed = parse_times(pa.array([as_written(SECONDS * per_second)]), subject="file.csv")
    assert (parsed.instants.to_pylist(), parsed.form) == ([AT], form)


def test_units_in_one_file_are_not_mixed() -> None:
    with pytest.raises(CandleFileError, match=r"mixes epoch seconds \(row 1\) and milliseconds \(row 3\)"):
        read([SECONDS, SECONDS + 60, SECONDS * 1000])


def test_rows_are_named_by_their_number_in_the_file() -> None:
    with pytest.raises(CandleFileError, match=r"seconds \(row 4\) and milliseconds \(row 9\)"):
        parse_times(pa.array([SECONDS, SECONDS * 1000]), subject="f", row_numbers=np.array([4, 9]))


def test_a_number_that_is_no_stamp_of_this_century_is_unreadable_and_a_column_of_them_is_refused() -> None:
    assert read([SECONDS, 0, -5, None]) == [AT, None, None, None]
    with pytest.raises(CandleFileError, match="between the years 2000 and 2100"):
        read([0, 45778])


@pytest.mark.parametrize(
    "text",
    [
        "2025-05-01T20:48:00Z",
        "2025-05-01 20:48:00+00:00",
        "2025-05-01 20:48:00 UTC",
        " 2025-05-01T20:48Z ",
        "2025-05-01T22:48:00.000+02:00",
        "2025-05-01 16:48:00 -0400",
        "2025-05-01T20:48:00.000000000Z",
    ],
)
def test_iso_text_with_a_zone_is_read(text: str) -> None:
    assert read([text]) == [AT]


def test_a_date_with_a_zone_is_midnight_there() -> None:
    assert read(["2025-05-01Z", "2025-05-01+02:00"]) == [
        AT.replace(hour=0, minute=0),
        datetime(2025, 4, 30, 22, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    "values", [["2025-05-01 20:48:00"], ["2025-05-01"], [AT.replace(tzinfo=None)], [date(2025, 5, 1)]]
)
def test_a_time_without_a_zone_is_refused_with_what_to_declare(values: list[Any]) -> None:
    with pytest.raises(CandleFileError, match=r"no zone.*--time-zone"):
        read(values)


def test_a_declared_zone_places_times_without_one() -> None:
    assert read(["2025-05-01 22:48:00", "2025-01-01 9:00"], time_zone="Europe/Berlin") == [
        AT,
        datetime(2025, 1, 1, 8, tzinfo=UTC),
    ]


@pytest.mark.parametrize("local", ["2025-10-26 02:30:00", "2025-03-30 02:30:00"])
def test_a_local_time_that_happens_twice_or_never_is_refused(local: str) -> None:
    with pytest.raises(CandleFileError, match="cannot be placed in the zone 'Europe/Berlin'"):
        read([local], time_zone="Europe/Berlin")


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(CandleFileError, match="'Europe/Atlantis'"):
        read(["2025-05-01 20:48:00"], time_zone="Europe/Atlantis")


@pytest.mark.parametrize("values", [["20:48", "19:35"], ["8:48 PM"], [time(20, 48)]])
def test_a_time_of_day_is_refused_even_with_a_zone_declared(values: list[Any]) -> None:
    with pytest.raises(CandleFileError, match=r"(no|without a) date and"):
        read(values, time_zone="UTC")


def test_forms_in_one_file_are_not_mixed() -> None:
    with pytest.raises(
        CandleFileError, match=r"mixes epoch numbers \(row 2: '1746132480'\) and times with a zone \(row 1"
    ):
        read(["2025-05-01T20:48:00Z", "1746132480"])
    with pytest.raises(CandleFileError, match="mixes times with a zone"):
        read(["2025-05-01T20:48:00Z", "2025-05-01T20:49:00"], time_zone="UTC")


def test_single_values_that_name_no_time_become_null() -> None:
    assert read(["2025-05-01T20:48:00Z", "", "soon", "2025-04-31T00:00:00Z", None]) == [AT, None, None, None, None]


def test_a_column_without_any_time_is_refused() -> None:
    with pytest.raises(CandleFileError, match="no value of its time column"):
        read(["", "soon"])
    with pytest.raises(CandleFileError, match="type bool"):
        read([True])


def test_typed_times_keep_their_zone() -> None:
    assert read([AT], pa.timestamp("ms", tz="America/New_York")) == [AT]
    assert read([AT.replace(tzinfo=None)], pa.timestamp("ns"), time_zone="UTC") == [AT]
    dictionary = pa.array(["2025-05-01T20:48:00Z"]).dictionary_encode()
    assert parse_times(dictionary, subject="f").instants.to_pylist() == [AT]


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)), min_size=1, max_size=5),  # noqa: DTZ001
    st.sampled_from([(1, 1_000_000), (10**3, 1_000), (10**6, 1)]),
)
def test_every_stamp_of_the_window_is_read_back_in_every_unit(instants: list[datetime], unit: tuple[int, int]) -> None:
    per_second, microseconds = unit
    stamps = [(instant - datetime(1970, 1, 1)) // timedelta(microseconds=microseconds) for instant in instants]  # noqa: DTZ001
    expected = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=stamp * microseconds) for stamp in stamps]
    assert read(stamps) == expected
    assert read([str(stamp) for stamp in stamps]) == expected
    assert per_second * microseconds == 1_000_000
