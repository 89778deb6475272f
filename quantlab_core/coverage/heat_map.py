"""The heat map of coverage: for each stretch of days and horizon the share of alerts that are covered well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import pyarrow as pa

from quantlab_core.coverage.alert_windows import HORIZONS_H

Unit = Literal["day", "week", "month"]

MOST_STRETCHES = 62
"""So many days, else so many weeks, are told apart."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Alerts of one stretch at one horizon: ``judged`` are those whose horizon is over, ``good`` are of these."""

    alerts: int = 0
    judged: int = 0
    good: int = 0

    @property
    def share(self) -> float | None:
        """Share of the judged alerts that are good; None while none is judged."""
        return self.good / self.judged if self.judged else None

    def __add__(self, other: Cell) -> Cell:
        return Cell(self.alerts + other.alerts, self.judged + other.judged, self.good + other.good)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One column of the map: what begins on the day ``first``; a cell for each of `HORIZONS_H`."""

    first: date
    cells: tuple[Cell, ...]

    @property
    def alerts(self) -> int:
        """Alerts of the stretch."""
        return max(cell.alerts for cell in self.cells)


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Stretches in order without holes: one without alerts has empty cells. No stretch where there was no alert."""

    unit: Unit
    stretches: tuple[Stretch, ...]


def heat_map(summary: pa.Table) -> HeatMap:
    """The map of a ``coverage_summary_v1``, all chains together.

    By day where first and last alert lie at most 62 days apart, else by ISO week for at most 62 weeks, else by month.
    """
    columns = ("day", "horizon_h", "alerts", "pending", "good")
    cells: dict[tuple[date, int], Cell] = {}
    for row in summary.select(list(columns)).to_pylist():
        key = row["day"], row["horizon_h"]
        counted = Cell(row["alerts"], row["alerts"] - row["pending"], row["good"])
        cells[key] = cells.get(key, Cell()) + counted
    if not cells:
        return HeatMap("day", ())
    first, last = min(day for day, _ in cells), max(day for day, _ in cells)
    unit: Unit = "month"
    if (last - first).days < MOST_STRETCHES:
        unit = "day"
    elif (last - first).days < 7 * (MOST_STRETCHES - 1):
        unit = "week"
    by_stretch = dict.fromkeys(
        (_BEGIN[unit](first + timedelta(days=offset)) for offset in range((last - first).days + 1)),
        (Cell(),) * len(HORIZONS_H),
    )
    for (day, horizon_h), cell in cells.items():
        begin, at = _BEGIN[unit](day), HORIZONS_H.index(horizon_h)
        held = by_stretch[begin]
        by_stretch[begin] = (*held[:at], held[at] + cell, *held[at + 1 :])
    return HeatMap(unit, tuple(Stretch(begin, held) for begin, held in by_stretch.items()))


_BEGIN: Mapping[Unit, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}
