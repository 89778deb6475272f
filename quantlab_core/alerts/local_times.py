"""Times of messages: unix seconds where the export has them, else the local time of a named zone.

A local time that the zone's clocks showed twice or never places nothing: such a message is quarantined.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

_EARLIEST_UNIX = 1_376_438_400  # 2013-08-14, the day Telegram was released
_LATEST_UNIX = 4_102_444_800  # 2100-01-01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS_IN_HOUR = tuple(f"{minute:02d}:{second:02d}+00:00" for minute in range(60) for second in range(60))
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)

UNDATED = ("undated", "the message has no date_unixtime, and its local date names no time zone")


def unix_time(seconds: int | None) -> datetime | None:
    """The UTC time of unix seconds between Telegram's first day and 2100, else None."""
    if seconds is None or not _EARLIEST_UNIX <= seconds < _LATEST_UNIX:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def utc_text(time: datetime) -> str:
    """`datetime.isoformat` of a UTC time without fractions of a second, which takes three times as long."""
    since = time - _EPOCH
    hour, second = divmod(since.days * 86_400 + since.seconds, 3_600)
    return _hour_text(hour) + _TEXTS_IN_HOUR[second]


@lru_cache(maxsize=1024)
def _hour_text(hour: int) -> str:
    return (_EPOCH + timedelta(hours=hour)).isoformat()[: len("2025-01-01T00:")]


def sent_by_local_date(date: object, zone: tzinfo | None) -> datetime | tuple[str, str]:
    """The UTC time of a local ``date`` in ``zone``, or the quarantine rule and reason why it has none."""
    if zone is None or date is None:
        return UNDATED
    local = _local_time(date)
    if local is None:
        return "bad_date", f"date {str(date)[:40]!r} is not a local time like 2021-05-01T18:30:00"
    earlier, later = _offsets(local, zone)
    if earlier > later:
        return "ambiguous_local_time", f"the clocks of {zone} showed {local.isoformat()} twice"
    if earlier < later:
        return "nonexistent_local_time", f"the clocks of {zone} never showed {local.isoformat()}"
    sent = _kept(local.replace(tzinfo=UTC) - earlier)
    return sent or ("bad_date", f"date {local.isoformat()} is not between 2013 and 2100")


def edited_by_local_date(date: object, zone: tzinfo | None) -> datetime | None:
    """The UTC time of an edit that only has a local one. Of two possible times it is the later: no edit is hidden."""
    local = None if zone is None else _local_time(date)
    if local is None or zone is None:
        return None
    return _kept(local.replace(tzinfo=UTC) - min(_offsets(local, zone)))


def _offsets(local: datetime, zone: tzinfo) -> tuple[timedelta, timedelta]:
    """The zone's offset at the first and at the second time that its clocks could show ``local``."""
    first, second = (local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return first, second


def _local_time(value: object) -> datetime | None:
    """A local time to the second, as Telegram Desktop writes it; anything else (a zone in it, only a day) is none."""
    if not isinstance(value, str) or not _LOCAL_TIME.fullmatch(value):
        return None
    try:
        local = datetime.fromisoformat(value)
    except ValueError:
        return None
    return local if 2013 <= local.year < 2101 else None


def _kept(time: datetime) -> datetime | None:
    return time if _EARLIEST_UNIX <= time.timestamp() < _LATEST_UNIX else None
