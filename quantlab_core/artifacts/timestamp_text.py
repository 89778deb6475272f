"""UTC instants as text, in the one form that the manifest and sidecars use: ``2025-05-01T12:34:56.789Z``."""

from __future__ import annotations

from datetime import UTC, datetime

from quantlab_core.errors import InvalidInputError


def format_timestamp(instant: datetime) -> str:
    """``instant`` as UTC text with milliseconds. Raises InvalidInputError for an instant without a zone."""
    return f"{_in_utc(instant).strftime('%Y-%m-%dT%H:%M:%S')}.{instant.microsecond // 1000:03d}Z"


def format_timestamp_us(instant: datetime) -> str:
    """``instant`` as UTC text with microseconds, as ``min_ts`` and ``max_ts`` are stored."""
    return _in_utc(instant).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> datetime:
    """The instant that ``text`` names. Raises InvalidInputError when it is no ISO text with a zone."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text!r} is not an ISO 8601 time") from None
    return _in_utc(instant)


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise InvalidInputError(f"{instant.isoformat()} has no zone; times here are UTC and say so (…Z)")
    return instant.astimezone(UTC)
