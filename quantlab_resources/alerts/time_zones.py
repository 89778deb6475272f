"""Time zones by their IANA name, for exports that state local times only."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quantlab_core.errors import InvalidInputError


def time_zone(name: str | None) -> ZoneInfo | None:
    """The zone of that name (``Europe/Berlin``), or None for None. Raises InvalidInputError for any other name."""
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(
            f"{name!r} is not an IANA time zone; name the zone of the computer that made the export, for example "
            "Europe/Berlin, America/New_York or UTC"
        ) from None
