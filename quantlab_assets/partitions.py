"""The partitions of the graph: by day, token, export, candle file and experiment.

Dynamic keys come from user input, so each passes `checked_key` before Dagster sees it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable
from datetime import date, datetime
from typing import NewType

import dagster as dg

from quantlab_core.artifacts.logical_key import is_key_value
from quantlab_core.errors import InvalidInputError
from quantlab_resources.dagster_io.artifact_partition import FILE_KEY_LENGTH
from quantlab_resources.first_day import first_day

KEYS_PER_CALL = 20_000

PARTITION_TAG = "dagster/partition"
RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
"""Dagster's tags of a run: its only partition, or the first and the last of several."""

EXPORTS = dg.DynamicPartitionsDefinition(name="exports")
CANDLE_FILES = dg.DynamicPartitionsDefinition(name="candle_files")
TOKENS = dg.DynamicPartitionsDefinition(name="tokens")
EXPERIMENTS = dg.DynamicPartitionsDefinition(name="experiments")

DAYS = dg.DailyPartitionsDefinition(start_date=first_day().isoformat(), timezone="UTC", end_offset=1)
"""UTC days from the first day to today, today included: calls of today are worth looking at."""


def checked_key(key: str) -> str:
    """``key`` if it may be a partition key. Raises InvalidInputError."""
    if not is_key_value(key):
        raise InvalidInputError(
            f"{key!r} cannot be a partition key: letters, digits and . _ : + - only, at most 200 characters"
        )
    return key


def add_partitions(
    instance: dg.DagsterInstance, partitions: dg.DynamicPartitionsDefinition, keys: Iterable[str]
) -> None:
    """Make the keys known to Dagster, in few calls; known ones stay as they are."""
    wanted = sorted({checked_key(key) for key in keys})
    for start in range(0, len(wanted), KEYS_PER_CALL):
        instance.add_dynamic_partitions(str(partitions.name), wanted[start : start + KEYS_PER_CALL])


DayRange = NewType("DayRange", tuple[str, str])


BRIDGED_GAP = 2
"""So many idle partitions are taken along rather than starting another run: it costs 0.3 s, each of them 0.1 s."""


def index_ranges(indices: Iterable[int], *, bridged_gap: int = BRIDGED_GAP) -> list[tuple[int, int]]:
    """Few contiguous ranges (first, last) that cover ``indices``; gaps of up to ``bridged_gap`` are bridged."""
    ranges: list[tuple[int, int]] = []
    for index in sorted(set(indices)):
        if ranges and index - ranges[-1][1] <= bridged_gap + 1:
            ranges[-1] = (ranges[-1][0], index)
        else:
            ranges.append((index, index))
    return ranges


def day_ranges(days: Iterable[date], *, bridge_days: int = BRIDGED_GAP, never: Iterable[date] = ()) -> list[DayRange]:
    """Few contiguous ranges (first day, last day) that cover ``days``, as `index_ranges`.

    A day of ``never`` that is none of ``days`` is not taken along.
    """
    wanted = {day.toordinal() for day in days}
    barred = sorted({day.toordinal() for day in never} - wanted)
    between_barred: dict[int, list[int]] = {}
    for day in wanted:
        between_barred.setdefault(bisect(barred, day), []).append(day)
    return [
        DayRange((date.fromordinal(first).isoformat(), date.fromordinal(last).isoformat()))
        for _, together in sorted(between_barred.items())
        for first, last in index_ranges(together, bridged_gap=bridge_days)
    ]


def day_of(key: str) -> date:
    """The day that a day partition key names."""
    return datetime.strptime(key, "%Y-%m-%d").date()  # noqa: DTZ007 - a calendar day has no zone


def file_key(sha256: str) -> str:
    """The partition key of an archived file: the first 16 hex digits of its SHA-256."""
    return sha256[:FILE_KEY_LENGTH]
