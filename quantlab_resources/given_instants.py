"""Limits of a range of time as callers give them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from quantlab_core.artifacts.timestamp_text import parse_day_or_timestamp
from quantlab_core.errors import InvalidInputError

Instant = date | datetime | str
"""A day, a time with its zone, or the ISO 8601 text of either."""


def given_instant(name: str, value: Instant) -> datetime:
    """The start of a day, or the time itself, in UTC. Raises InvalidInputError."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise InvalidInputError(f"{name} {value.isoformat()} has no time zone; give it one (UTC, say)")
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    try:
        return parse_day_or_timestamp(value)[0]
    except InvalidInputError as error:
        raise InvalidInputError(f"{name}: {error}") from None
