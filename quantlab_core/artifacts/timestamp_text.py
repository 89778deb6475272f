"""UTC instants as text: the forms that are stored, and reading them back. ISO 8601, ending in ``Z``.

| form | where |
|---|---|
| milliseconds, ``2025-05-01T12:34:56.789Z`` | the manifest's times, events, experiments |
| microseconds, ``2025-05-01T12:34:56.789012Z`` | sidecars, ``min_ts`` and ``max_ts`` |
| shortest, ``2025-05-01T12:34:56Z`` (a fraction only where there is one) | logical keys, source spans, messages |
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from quantlab_core.errors import InvalidInputError

_DATE_LENGTH = len("2025-05-01")


def format_timestamp(instant: datetime) -> str:
    """``instant`` with milliseconds; what is finer is cut. Raises InvalidInputError for an instant without a zone."""
    return _text(instant, "milliseconds")


def format_timestamp_us(instant: datetime) -> str:
    """``instant`` with microseconds. Raises InvalidInputError for an instant without a zone."""
    return _text(instant, "microseconds")


def format_timestamp_short(instant: datetime) -> str:
    """``instant`` with a fraction only where there is one. Raises InvalidInputError for an instant without a zone."""
    return _text(instant, "auto")


def parse_timestamp(text: str) -> datetime:
    """The instant that ``text`` names, in UTC. Raises InvalidInputError when it is no ISO 8601 time with a zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text[:80]!r} is not an ISO 8601 time") from None
    return _in_utc(instant)


def find_timestamp(text: str | None) -> datetime | None:
    """The instant that ``text`` names, in UTC; None where no instant can be read, as in rows of earlier stores."""
    try:
        return None if text is None else parse_timestamp(text)
    except InvalidInputError:
        return None


def parse_day_or_timestamp(text: str) -> tuple[datetime, datetime]:
    """What a user's limit of time covers, as [start, end): a date its whole UTC day, a time with a zone nothing more.

    Raises InvalidInputError for text that is neither.
    """
    try:
        if len(text) == _DATE_LENGTH:
            start = datetime.combine(date.fromisoformat(text), time(), UTC)
            return start, start + timedelta(days=1)
        instant = datetime.fromisoformat(text)
    except (ValueError, TypeError, OverflowError):
        raise InvalidInputError(
            f"{str(text)[:80]!r} is neither a date (2025-05-01) nor a time with zone (2025-05-01T12:00:00Z)"
        ) from None
    if instant.tzinfo is None:
        raise InvalidInputError(f"{text!r} has no time zone; write {text}Z for UTC")
    instant = instant.astimezone(UTC)
    return instant, instant


def earliest_timestamp(limit: str) -> str:
    """The first millisecond text that a user's lower ``limit`` lets through. Raises InvalidInputError."""
    return format_timestamp(parse_day_or_timestamp(limit)[0])


def latest_timestamp(limit: str) -> str:
    """The last millisecond text that a user's upper ``limit`` lets through. Raises InvalidInputError."""
    start, end = parse_day_or_timestamp(limit)
    return format_timestamp(end if start == end else end - timedelta(milliseconds=1))


def _text(instant: datetime, timespec: str) -> str:
    return _in_utc(instant).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise InvalidInputError(f"{instant.isoformat()} has no zone; times here are UTC and say so (…Z)")
    return instant.astimezone(UTC)
