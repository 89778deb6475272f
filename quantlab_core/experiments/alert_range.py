"""The range of alerts of an experiment: from (inclusive) to (a date inclusive, a time exclusive), UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from quantlab_core.artifacts.timestamp_text import parse_day_or_timestamp
from quantlab_core.candles.epoch_time import instant_of
from quantlab_core.errors import InvalidInputError
from quantlab_core.experiments.experiment import DateRange


@dataclass(frozen=True, slots=True)
class AlertRange:
    """[start, end) in UTC; None is unbounded."""

    start: datetime | None
    end: datetime | None

    def holds(self, alert_ts_us: int) -> bool:
        """Whether an alert sent at ``alert_ts_us`` (epoch microseconds UTC) lies in the range."""
        instant = instant_of(alert_ts_us)
        return (self.start is None or self.start <= instant) and (self.end is None or instant < self.end)

    def mapping(self) -> dict[str, str]:
        """The canonical text form: instants in UTC, an absent bound left out."""
        bounds = {"from": self.start, "to": self.end}
        return {name: bound.isoformat() for name, bound in bounds.items() if bound is not None}


def parse_alert_range(date_range: DateRange) -> AlertRange:
    """The range that ``date_range`` describes. Raises InvalidInputError naming the bound.

    A bound is a date (``2025-05-01``) or a time with its zone (``2025-05-01T12:00:00Z``).
    """
    start, _ = _limits("from", date_range.from_)
    _, end = _limits("to", date_range.to)
    if start is not None and end is not None and start >= end:
        raise InvalidInputError(
            f"date range: from {date_range.from_} is not before to {date_range.to}; no alert can lie in it"
        )
    return AlertRange(start, end)


def _limits(bound: str, text: str | None) -> tuple[datetime, datetime] | tuple[None, None]:
    if text is None:
        return None, None
    try:
        return parse_day_or_timestamp(text)
    except InvalidInputError as error:
        raise InvalidInputError(f"date range: {bound} {error}") from None
