"""Is the time zone that the user named the one in which an HTML export was written?

Tooltips state the *standard* offset of the exporting computer's zone the whole year round, one hour wrong in summer, so
they cannot date a message; but a zone with another standard offset is not the right one. Where buttons carry unix
stamps of the moment when a bot made its message, the times must agree with them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from quantlab_core.errors import TelegramExportError

_STAMP = re.compile(r"(?<!\d)(\d{10}|\d{13})(?!\d)")
_SAME_MOMENT_S = 120
_LARGEST_OFFSET_S = 15 * 3600
_OFFSET_STEP_S = 15 * 60
_ENOUGH_MESSAGES = 3
# Zones changed their standard offset in the past, and Telegram states today's: any year far ahead stands for today.
_TODAY = 2037


class TitleTimes:
    """Compares what the messages of one export show with the zone; raises TelegramExportError when it is not right."""

    def __init__(self, export: str, zone: ZoneInfo) -> None:
        self._export = export
        self._zone = zone
        self._agreeing = 0
        self._checked: tuple[int | None, date] | None = None  # offset and day: messages of one day come together
        self._shifts: Counter[int] = Counter()

    def check_offset(self, title: str, local: datetime, offset_minutes: int | None) -> None:
        """The offset in the tooltip of a message sent at ``local`` (naive)."""
        day = (offset_minutes, local.date())
        if offset_minutes is None or day == self._checked:
            return
        self._checked = day
        offset = timedelta(minutes=offset_minutes)
        if offset not in {*_standard_offsets(self._zone, local), *_standard_offsets(self._zone, _today(local))}:
            raise TelegramExportError(
                f"{self._export}: its times are marked {title!r}, which is not the standard offset of {self._zone}; "
                "name the zone of the computer that made the export with --timezone"
            )

    def note_stamps(self, local: datetime, button_data: Iterable[str]) -> None:
        """The unix stamps in the data of a message's buttons, if there are any."""
        sent = local.replace(tzinfo=self._zone).astimezone(UTC).timestamp()
        stamps = (int(found[:10]) for data in button_data for found in _STAMP.findall(data))
        away = [stamp - sent for stamp in stamps if abs(stamp - sent) <= _LARGEST_OFFSET_S]
        if any(abs(seconds) <= _SAME_MOMENT_S for seconds in away):
            self._agreeing += 1
        for shift in {round(seconds / _OFFSET_STEP_S) * _OFFSET_STEP_S for seconds in away}:
            if shift and any(abs(seconds - shift) <= _SAME_MOMENT_S for seconds in away):
                self._shifts[shift] += 1

    def check_stamps(self) -> None:
        """Refuse a zone by which several messages are off from their buttons by the same shift and none agrees."""
        if self._agreeing or not self._shifts:
            return
        shift, messages = max(self._shifts.items(), key=lambda pair: (pair[1], -abs(pair[0])))
        if messages >= _ENOUGH_MESSAGES:
            raise TelegramExportError(
                f"{self._export}: the unix times in the buttons of {messages} messages are {shift / 3600:+g} h off "
                f"from its times in {self._zone}; name the zone of the computer that made the export with --timezone"
            )


def _today(local: datetime) -> datetime:
    return local.replace(year=_TODAY, day=min(local.day, 28))


def _standard_offsets(zone: ZoneInfo, local: datetime) -> set[timedelta]:
    """Usually one; two where a zone calls its winter time daylight saving of minus an hour, as Dublin does."""
    aware = local.replace(tzinfo=zone)
    offset, saving = aware.utcoffset() or timedelta(), aware.dst() or timedelta()
    return {offset - saving, offset} if saving < timedelta() else {offset - saving}
