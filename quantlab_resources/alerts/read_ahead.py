"""Reading an export into its tables, once: whoever reads the same bytes next in this process is handed what was read.

An export is read to its end before anything of it is stored, and an asset reads it from the archive. The second reading
finds here what the first one made. Nothing depends on that: where nothing is handed over, the asset reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow.compute as pc

from quantlab_core.alerts.alert_source import ReadingReport, ReadOptions
from quantlab_core.alerts.export_tables import ExportTables, export_tables
from quantlab_core.errors import QuantlabError
from quantlab_resources.alerts.alert_sources import read_messages
from quantlab_resources.alerts.export_folder import export_file, export_sha256
from quantlab_resources.alerts.time_zones import time_zone
from quantlab_resources.first_day import first_day

ROOM_FOR_MANY = 64 * 1024 * 1024
"""Bytes of exports whose readings are kept where several come in at once; their tables take about half as much."""


@dataclass(frozen=True, slots=True)
class ExportReading:
    """An export's tables, what the reader was told, and what it did."""

    options: ReadOptions
    report: ReadingReport
    tables: ExportTables

    @property
    def newest_day(self) -> date | None:
        """The UTC day of the latest message, also of those that are quarantined."""
        latest = pc.max(self.tables.dispositions["sent_ts"]).as_py()
        return None if latest is None else latest.date()


def read_export(path: Path, options: ReadOptions, *, last_day: date | None = None) -> ExportReading:
    """Read the export at ``path`` to its end; messages after ``last_day`` are quarantined, as `export_tables` says.

    Raises as `read_messages`.
    """
    report = ReadingReport()
    messages = read_messages(path, options, report)
    tables = export_tables(messages, time_zone=time_zone(options.time_zone), first_day=first_day(), last_day=last_day)
    return ExportReading(options, report, tables)


@dataclass(slots=True)
class ReadAhead:
    """Readings that wait for the asset that reads the same bytes, by the SHA-256 of the archived file.

    They are kept of so many bytes of exports as there is ``room`` for, and were read without a last day, so that the
    archive may still decide on it.
    """

    room: float
    readings: dict[str, ExportReading] = field(default_factory=dict)

    def read_to_its_end(self, path: Path, options: ReadOptions) -> None:
        """Read the export at ``path``, and keep what that gave while there is room. Raises as `read_messages`."""
        size, sha256 = 0, None
        with suppress(OSError, QuantlabError):  # the reader says better what is wrong
            size = export_file(path).stat().st_size
            # Hashed before it is read: if the archive holds bytes of this hash, they are what was read.
            sha256 = export_sha256(path) if size <= self.room else None
        if sha256 is None:
            deque(read_messages(path, options), maxlen=0)
        else:
            self.readings[sha256] = read_export(path, options)
            self.room -= size

    def taken(self, sha256: str, options: ReadOptions, last_day: date) -> ExportReading | None:
        """The reading of these bytes, if a reading with these options up to ``last_day`` gives the same; once."""
        reading = self.readings.pop(sha256, None)
        if reading is None or reading.options != options:
            return None
        newest = reading.newest_day
        return reading if newest is None or newest <= last_day else None


_ahead: ContextVar[ReadAhead | None] = ContextVar("read_ahead", default=None)


@contextmanager
def handing_over(ahead: ReadAhead) -> Iterator[None]:
    """Within the block, `archived_export` in this process takes what ``ahead`` holds."""
    token = _ahead.set(ahead)
    try:
        yield
    finally:
        _ahead.reset(token)


def archived_export(path: Path, sha256: str, options: ReadOptions, last_day: date) -> ExportReading:
    """The archived export at ``path`` as it reads: handed over if somebody read these bytes just now, else read."""
    ahead = _ahead.get()
    handed = None if ahead is None else ahead.taken(sha256, options, last_day)
    return handed or read_export(path, options, last_day=last_day)
