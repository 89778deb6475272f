"""Instants as the manifest and the sidecars write them: ISO 8601, UTC, ending in ``Z``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from quantlab_core.errors import InvalidInputError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def milliseconds(instant: datetime) -> str:
    """``2025-05-01T12:34:56.789Z``, as the manifest records when something happened."""
    return _text(instant, "milliseconds")


def microseconds(instant: datetime) -> str:
    """``2025-05-01T12:34:56.789012Z``, as sidecars and the time ranges of tables are written."""
    return _text(instant, "microseconds")


def bound(text: str, *, is_upper: bool) -> str:
    """A limit for created_at as a user writes it, in the manifest's form. A date covers its whole UTC day.

    Raises InvalidInputError for text that is no date and no time with a zone.
    """
    try:
        if _DATE.fullmatch(text):
            day = datetime.combine(date.fromisoformat(text), time(), UTC)
            return milliseconds(day + timedelta(days=1, milliseconds=-1) if is_upper else day)
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text[:80]!r} is no date or time: write 2025-05-01 or 2025-05-01T12:34:56Z") from None
    if instant.tzinfo is None:
        raise InvalidInputError(f"{text!r} has no zone: end it with Z for UTC")
    return milliseconds(instant)


def _text(instant: datetime, timespec: str) -> str:
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=timespec) + "Z"
