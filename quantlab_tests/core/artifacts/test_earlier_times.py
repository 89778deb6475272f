"""Times as the earlier store wrote them: every form that is known, and null for what is no time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab_core.artifacts.earlier_times import earlier_instants

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-05-01T12:00:00Z", NOON),
        ("2025-05-01T12:00:00.250Z", NOON + timedelta(milliseconds=250)),
        ("2025-05-01T12:00:00.000001Z", NOON + timedelta(microseconds=1)),
        ("2025-05-01T12:00:00.000001999Z", NOON + timedelta(microseconds=1)),
        ("2025-05-01T14:00:00+02:00", NOON),
        ("2025-05-01T06:30:00-0530", NOON),
        ("2025-05-01 12:00:00", NOON),
        ("2025-05-01T12:00", NOON),
        (" 2025-05-01t12:00:00z ", NOON),
        ("2025-05-01 12:00:00 UTC", NOON),
        ("2025-05-01", NOON - timedelta(hours=12)),
        ("1746100800", NOON),
        ("1746100800000", NOON),
        ("2025-04-31T12:00:00Z", None),
        ("2025-05-01T25:00:00Z", None),
        ("yesterday", None),
        ("", None),
        ("17461008", None),
        (None, None),
    ],
)
def test_text_names_an_instant_or_none(text: str | None, instant: datetime | None) -> None:
    assert earlier_instants(pa.array([text], pa.string())).to_pylist() == [instant]
    assert earlier_instants(pa.chunked_array([["x", text], [text]], pa.string())).to_pylist() == [
        None,
        instant,
        instant,
    ]


@pytest.mark.parametrize(
    ("values", "instants"),
    [
        (
            pa.array([1746100800, 1746100800000, 1746100800000000, 1746100800000000000, 12, None]),
            [NOON] * 4 + [None] * 2,
        ),
        (pa.array([1746100800.5, float("nan"), None]), [NOON + timedelta(seconds=0.5), None, None]),
        (pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ns")), [NOON]),
        (pa.array([NOON], pa.timestamp("ms", tz="Europe/Berlin")), [NOON]),
        (pa.array([date(2025, 5, 1)]), [NOON - timedelta(hours=12)]),
        (pa.array(["2025-05-01T12:00:00Z"]).dictionary_encode(), [NOON]),
        (pa.array([True]), [None]),
    ],
)
def test_columns_of_every_type_are_read(values: pa.Array[Any], instants: list[datetime | None]) -> None:
    found = earlier_instants(values)
    assert found.type == pa.timestamp("us", tz="UTC")
    assert found.to_pylist() == instants


@settings(deadline=None, max_examples=80, derandomize=True)
@given(
    st.datetimes(min_value=datetime(2000, 1, 2), max_value=datetime(2099, 12, 30)),  # noqa: DTZ001 - UTC is added
    st.sampled_from([0, 60, -330, 840]),
)
def test_an_instant_is_the_same_whatever_zone_it_is_written_in(naive: datetime, offset_minutes: int) -> None:
    instant = naive.replace(tzinfo=UTC)
    written = (naive + timedelta(minutes=offset_minutes)).isoformat()
    sign, minutes = ("-" if offset_minutes < 0 else "+"), abs(offset_minutes)
    zoned = f"{written}{sign}{minutes // 60:02d}:{minutes % 60:02d}"
    assert earlier_instants(pa.array([zoned, naive.isoformat()])).to_pylist() == [instant, instant]
